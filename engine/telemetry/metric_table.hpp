#pragma once

#include <string_view>
#include <vector>

#include "engine/ports.hpp"

namespace rollbackd::engine {

struct MetricLabel {
  std::string_view name;  // empty: there is no such label
  std::string_view value;
};

// One metric, or one series of it, as Prometheus sees it. Rows of one name are one metric. Changing
// a name or a label breaks people's dashboards and alerts.
struct MetricRow {
  std::string_view name;
  std::string_view help;
  double scale = 1;  // what a value is multiplied with: Prometheus wants ratios, not percents
  MetricLabel label{};
  MetricLabel more{};
};

// What the Observer and the server's answers tell.
enum class Told {
  decisions,
  suppressed,
  validations,
  validations_refused,
  law_checks,
  rollbacks_started,
  rollbacks,
  last_rollback,
  step_duration,
  steps_failed,
  deploys,
  deploys_failed,
  roman_events,
  alerts,
  event_to_decision,
  decision_to_recovered,
  journal_wait,
  http_requests,
};

// What the View and the readiness tell, at each scrape.
enum class Seen {
  ready,
  problem,
  active_rollbacks,
  early_waiting,
  early_dropped,
  windows_as_of,
  services,
  services_in_state,
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
  virtual_memory_max,
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
const std::vector<double>& buckets_of_steps();

// ops.roman_events.event_type, all of them: each has a counter from the start.
const std::vector<std::string_view>& roman_event_types();

}  // namespace rollbackd::engine
