#pragma once

#include <string_view>
#include <vector>

#include "engine/ports.hpp"

namespace rollbackd::engine {

// One metric as Prometheus sees it. Changing a name breaks people's dashboards and alerts.
struct MetricRow {
  std::string_view name;
  std::string_view help;
  double scale = 1;  // what a value is multiplied with: Prometheus wants ratios, not percents
};

// What the Observer tells.
enum class Told {
  decisions,
  suppressed,
  rollbacks_started,
  rollbacks,
  roman_events,
  alerts,
  event_to_decision,
  decision_to_recovered,
  journal_wait,
};

// What the View tells, at each scrape.
enum class Seen {
  active_rollbacks,
  early_waiting,
  early_dropped,
  windows_as_of,
  services,
  services_left_out,
  errors_per_minute,
  recent_errors,
  response_time_p95,
  service_state,
  deployment_info,
};

// What is told about this process.
enum class Own {
  build_info,
  cpu_seconds,
  open_fds,
  max_fds,
  virtual_memory,
  resident_memory,
  start_time,
  threads,
};

// The table. A value without a row has no name.
MetricRow row_of(Count what);
MetricRow row_of(Level what);
MetricRow row_of(Timing what);
MetricRow row_of(Told what);
MetricRow row_of(Seen what);
MetricRow row_of(Own what);

// Upper bounds of the buckets, in seconds.
const std::vector<double>& buckets_of(Timing what);
const std::vector<double>& buckets_of_decision();
const std::vector<double>& buckets_of_recovery();

// ops.roman_events.event_type, all of them: each has a counter from the start.
const std::vector<std::string_view>& roman_event_types();

}  // namespace rollbackd::engine
