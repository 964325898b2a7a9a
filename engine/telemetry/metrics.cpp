#include "engine/telemetry/metrics.hpp"

#include <array>
#include <map>
#include <optional>
#include <sstream>
#include <utility>
#include <variant>
#include <vector>

#include <prometheus/text_serializer.h>

#include "engine/telemetry/families.hpp"
#include "engine/telemetry/metric_table.hpp"
#include "engine/telemetry/open_metrics.hpp"
#include "engine/telemetry/rollback_metrics.hpp"
#include "engine/telemetry/view_metrics.hpp"

namespace rollbackd::engine {
namespace {

using Counters = std::map<std::string, prometheus::Counter*, std::less<>>;

// By the first digit of the status.
using OfRoute = std::array<prometheus::Counter*, 6>;

// Requests that no route takes, whatever their method.
constexpr std::pair<std::string_view, std::string_view> no_route{"any", "unknown"};

std::string text(std::string_view view) { return std::string{view}; }

template <class Value>
std::vector<Value> all_with_a_row() {
  std::vector<Value> all;
  for (int i = 0; !row_of(static_cast<Value>(i)).name.empty(); ++i) {
    all.push_back(static_cast<Value>(i));
  }
  return all;
}

}  // namespace

class Metrics::Series {
 public:
  Series();

  prometheus::Registry registry;
  std::vector<prometheus::Counter*> counts;     // index: Count
  std::vector<prometheus::Gauge*> levels;       // index: Level
  std::vector<prometheus::Histogram*> timings;  // index: Timing
  RollbackMetrics rollbacks{registry};

  Counters decisions;   // by reason
  Counters suppressed;  // by reason
  Counters roman_events;
  Counters alerts;
  std::map<std::pair<std::string_view, std::string_view>, OfRoute> requests;
  prometheus::Histogram* event_to_decision = nullptr;
  prometheus::Histogram* journal_wait = nullptr;

  // The newest event of each deployment and service in the batch just taken in.
  std::map<rules::DeploymentId, rules::Instant> newest_of_deployment;
  std::map<rules::Service, rules::Instant> newest_of_service;

  void expect(std::string_view method, std::string_view route);
  void remember(const rules::FeedBatch& batch);
  void time_decision(const rules::Rollback& rollback);

 private:
  prometheus::Counter* counter(Told what, const prometheus::Labels& labels) {
    return &add_counter(registry, row_of(what), labels);
  }
};

Metrics::Series::Series() {
  for (const Count what : all_with_a_row<Count>()) {
    counts.push_back(&add_counter(registry, row_of(what)));
  }
  for (const Level what : all_with_a_row<Level>()) {
    levels.push_back(&add_gauge(registry, row_of(what)));
  }
  for (const Timing what : all_with_a_row<Timing>()) {
    timings.push_back(&add_histogram(registry, row_of(what), buckets_of(what)));
  }
  for (const rules::Reason reason : rules::all_reasons()) {
    const std::string name = text(name_of(reason));
    decisions.emplace(name, counter(Told::decisions, {{"reason", name}}));
    if (rules::is_suppression(reason)) {
      suppressed.emplace(name, counter(Told::suppressed, {{"reason", name}}));
    }
  }
  for (const std::string_view type : roman_event_types()) {
    roman_events.emplace(text(type), counter(Told::roman_events, {{"event_type", text(type)}}));
  }
  for (const rules::AlertKind kind : rules::all_alert_kinds()) {
    alerts.emplace(text(name_of(kind)), counter(Told::alerts, {{"kind", text(name_of(kind))}}));
  }
  event_to_decision =
      &add_histogram(registry, row_of(Told::event_to_decision), buckets_of_decision());
  journal_wait =
      &add_histogram(registry, row_of(Told::journal_wait), buckets_of(Timing::journal_commit));
  expect(no_route.first, no_route.second);
}

void Metrics::Series::expect(std::string_view method, std::string_view route) {
  OfRoute& of_route = requests[{method, route}];
  for (const int status : {2, 4, 5}) {
    of_route.at(static_cast<std::size_t>(status)) =
        counter(Told::http_requests, {{"method", text(method)},
                                      {"route", text(route)},
                                      {"code", std::to_string(status) + "xx"}});
  }
}

void Metrics::Series::remember(const rules::FeedBatch& batch) {
  for (const rules::EventGroup& group : batch.events) {
    auto& of_service = newest_of_service[group.service];
    const rules::Instant newest = std::max(group.at, rules::instant_of(group.seconds.back().at));
    of_service = std::max(of_service, newest);
    if (group.deployment) {
      auto& of_deployment = newest_of_deployment[*group.deployment];
      of_deployment = std::max(of_deployment, newest);
    }
  }
}

// Only a decision made on the batch just taken in has an event that tipped the scales; one that
// came with time (`for:`, the end of a hold) has none.
void Metrics::Series::time_decision(const rules::Rollback& rollback) {
  const auto by_deployment = newest_of_deployment.find(rollback.deployment);
  const auto by_service = newest_of_service.find(rollback.service);
  std::optional<rules::Instant> event;
  if (by_deployment != newest_of_deployment.end()) {
    event = by_deployment->second;
  } else if (by_service != newest_of_service.end()) {
    event = by_service->second;
  }
  if (event) {
    const rules::Duration taken = std::max(rollback.decided_at - *event, rules::Duration{0});
    event_to_decision->Observe(rules::in_seconds(taken));
  }
}

Metrics::Metrics(std::size_t max_services)
    : series_{std::make_unique<Series>()}, max_services_{max_services} {}

Metrics::~Metrics() = default;

void Metrics::count(Count what, double n) {
  series_->counts.at(static_cast<std::size_t>(what))->Increment(n);
}

void Metrics::set(Level what, double value) {
  series_->levels.at(static_cast<std::size_t>(what))->Set(value * row_of(what).scale);
}

void Metrics::observe(Timing what, double seconds) {
  series_->timings.at(static_cast<std::size_t>(what))->Observe(seconds);
}

void Metrics::answered(std::string_view method, std::string_view route, int status) {
  auto of_route = series_->requests.find({method, route});
  if (of_route == series_->requests.end()) {
    of_route = series_->requests.find(no_route);
  }
  const std::size_t digit = std::min<std::size_t>(static_cast<std::size_t>(status) / 100, 5);
  if (prometheus::Counter* counter = of_route->second.at(digit)) {
    counter->Increment();
  }
}

void Metrics::configuration_read(bool successful, rules::Instant at) {
  count(Count::config_reloads);
  set(Level::config_reload_successful, successful ? 1 : 0);
  if (successful) {
    set(Level::config_reload_timestamp_seconds, rules::in_seconds(at.time_since_epoch()));
  } else {
    count(Count::config_reloads_failed);
  }
}

void Metrics::expect(std::string_view method, std::string_view route) {
  series_->expect(method, route);
}

void Metrics::took(const rules::Input& input) {
  series_->newest_of_deployment.clear();
  series_->newest_of_service.clear();
  if (const auto* batch = std::get_if<rules::FeedBatch>(&input)) {
    series_->remember(*batch);
  } else if (const auto* journal = std::get_if<rules::JournalRead>(&input)) {
    series_->rollbacks.begin_from(*journal);
  } else if (const auto* ended = std::get_if<rules::DeployEnded>(&input)) {
    series_->rollbacks.ended(*ended);
  } else if (const auto* control = std::get_if<rules::ControlRead>(&input)) {
    set(Level::alerts_in, static_cast<double>(control->alerts.size()));
  }
}

void Metrics::decided(const rules::Output& output) {
  if (output.audit) {
    count(Count::audits);
    set(Level::window_drift, static_cast<double>(output.audit->drift));
    set(Level::feed_foreign_rows, static_cast<double>(output.audit->foreign_rows));
  }
  if (output.response_times) {
    count(Count::response_times_unattributed,
          static_cast<double>(output.response_times->unattributed));
    count(Count::response_times_dropped, static_cast<double>(output.response_times->dropped));
  }
  if (output.heartbeat) {
    observe(Timing::heartbeat,
            rules::in_seconds(output.heartbeat->judged_at - output.heartbeat->written_at));
    set(Level::heartbeat_timestamp_seconds,
        rules::in_seconds(output.heartbeat->written_at.time_since_epoch()));
  }
  for (const rules::Explanation& why : output.explanations) {
    const std::string_view reason = name_of(why.reason);
    series_->decisions.find(reason)->second->Increment();
    if (const auto counter = series_->suppressed.find(reason);
        counter != series_->suppressed.end()) {
      counter->second->Increment();
    }
  }
  for (const rules::Commit& commit : output.commits) {
    for (const rules::JournalEntry& entry : commit.entries) {
      const auto* put = std::get_if<rules::PutRollback>(&entry);
      if (put != nullptr && put->is_new && put->rollback.type == rules::TriggerType::automatic) {
        series_->time_decision(put->rollback);
      }
    }
  }
}

void Metrics::committed(const rules::Commit& commit, rules::Duration waited) {
  series_->journal_wait->Observe(rules::in_seconds(waited));
  series_->rollbacks.committed(commit);
  for (const rules::JournalEntry& entry : commit.entries) {
    if (const auto* event = std::get_if<rules::RomanEvent>(&entry)) {
      const auto counter = series_->roman_events.find(event->event_type);
      if (counter != series_->roman_events.end()) {
        counter->second->Increment();
      }
    } else if (const auto* alert = std::get_if<rules::Alert>(&entry)) {
      series_->alerts.find(name_of(alert->kind))->second->Increment();
    }
  }
}

void Metrics::set_max_services(std::size_t max_services) { max_services_ = max_services; }

std::string Metrics::scrape(const View& view, const Health& health, Exposition format) const {
  std::vector<prometheus::MetricFamily> families = series_->registry.Collect();
  append_health_metrics(health.ready, health.problems, families);
  append_view_metrics(view, max_services_, families);
  append_process_metrics(families);
  if (format == Exposition::open_metrics) {
    return open_metrics_text(families);
  }
  std::ostringstream out;
  prometheus::TextSerializer{}.Serialize(out, families);
  return std::move(out).str();
}

}  // namespace rollbackd::engine
