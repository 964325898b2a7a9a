#include "engine/telemetry/view_metrics.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "engine/board.hpp"
#include "engine/telemetry/metric_table.hpp"
#include "engine/telemetry/process_stats.hpp"
#include "engine/utf8.hpp"
#include "engine/version.hpp"

namespace rollbackd::engine {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Longer names would make every scrape long.
constexpr std::size_t label_max = 200;

// Prometheus refuses a whole scrape for one label that is not UTF-8, and anybody may write one.
std::string label_text(std::string_view text) { return cut_end(plain_text(text), label_max); }

template <class What>
MetricFamily family(What what, MetricType type = MetricType::Gauge) {
  const MetricRow row = row_of(what);
  return {std::string{row.name}, std::string{row.help}, type, {}};
}

void add(MetricFamily& to, double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  metric.counter.value = value;
  to.metric.push_back(std::move(metric));
}

template <class What>
MetricFamily single(What what, double value, MetricType type = MetricType::Gauge) {
  MetricFamily made = family(what, type);
  add(made, value);
  return made;
}

}  // namespace

void append_health_metrics(bool ready, const std::vector<std::string>& problems,
                           std::vector<MetricFamily>& families) {
  families.push_back(single(Seen::ready, ready ? 1 : 0));
  MetricFamily problem = family(Seen::problem);
  for (const Part part : all_parts()) {
    const std::string name{name_of(part)};
    const bool is_told = std::find(problems.begin(), problems.end(), name) != problems.end();
    add(problem, is_told ? 1 : 0, {{"part", name}});
  }
  families.push_back(std::move(problem));
}

void append_view_metrics(const View& view, std::size_t max_services,
                         std::vector<MetricFamily>& families) {
  MetricFamily rate = family(Seen::errors_per_minute);
  MetricFamily recent = family(Seen::recent_errors);
  MetricFamily p95 = family(Seen::response_time_p95);
  MetricFamily state = family(Seen::service_state);
  MetricFamily info = family(Seen::deployment_info);
  std::set<std::pair<std::string, std::string>> told;
  std::size_t left_out = 0;
  std::map<rules::State, int> in_state;
  for (const rules::State one : rules::all_states()) {
    in_state[one] = 0;
  }
  const auto services = view.services();
  for (const rules::ServiceView& service : services) {
    ++in_state[service.state];
    const std::string environment = label_text(service.service.environment);
    const std::string name = label_text(service.service.name);
    // Two names may read alike once they are fit for a label; Prometheus refuses equal series.
    if (told.size() >= max_services || !told.emplace(environment, name).second) {
      ++left_out;
      continue;
    }
    const std::vector<ClientMetric::Label> labels{{"target_environment", environment},
                                                  {"target_service", name}};
    const auto with = [&labels](std::string key, std::string value) {
      auto more = labels;
      more.push_back({std::move(key), std::move(value)});
      return more;
    };
    add(rate, service.errors_per_minute, labels);
    add(recent, static_cast<double>(service.recent_errors), labels);
    if (service.response_time_p95) {
      add(p95, *service.response_time_p95, labels);
    }
    add(state, 1, with("state", std::string{name_of(service.state)}));
    add(info, 1, with("version", label_text(service.version)));
  }
  families.push_back(single(Seen::active_rollbacks, static_cast<double>(view.active_rollbacks())));
  const View::EarlyEvents early = view.early_events();
  families.push_back(single(Seen::early_waiting, static_cast<double>(early.waiting)));
  families.push_back(
      single(Seen::early_dropped, static_cast<double>(early.dropped), MetricType::Counter));
  families.push_back(single(Seen::windows_as_of, static_cast<double>(view.as_of())));
  families.push_back(single(Seen::services, static_cast<double>(services.size())));
  MetricFamily by_state = family(Seen::services_in_state);
  for (const auto& [one, count] : in_state) {
    add(by_state, count, {{"state", std::string{name_of(one)}}});
  }
  families.push_back(std::move(by_state));
  families.push_back(single(Seen::services_left_out, static_cast<double>(left_out)));
  for (MetricFamily* made : {&rate, &recent, &p95, &state, &info}) {
    families.push_back(std::move(*made));
  }
}

void append_process_metrics(std::vector<MetricFamily>& families) {
  const ProcessStats stats = read_process_stats();
  MetricFamily build = family(Own::build_info);
  add(build, 1, {{"version", std::string{version()}}, {"commit", std::string{commit()}}});
  families.push_back(std::move(build));
  families.push_back(single(Own::cpu_seconds, stats.cpu_seconds, MetricType::Counter));
  families.push_back(single(Own::open_fds, stats.open_fds));
  families.push_back(single(Own::max_fds, stats.max_fds));
  families.push_back(single(Own::virtual_memory, stats.virtual_memory_bytes));
  families.push_back(single(Own::virtual_memory_max, stats.virtual_memory_max_bytes));
  families.push_back(single(Own::resident_memory, stats.resident_memory_bytes));
  families.push_back(single(Own::start_time, stats.start_time_seconds));
  families.push_back(single(Own::threads, stats.threads));
}

}  // namespace rollbackd::engine
