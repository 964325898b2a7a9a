#include "engine/telemetry/metrics.hpp"

#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <variant>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "engine/telemetry/metric_table.hpp"
#include "engine/telemetry/view_metrics.hpp"

namespace rollbackd::engine {
namespace {

using Counters = std::map<std::string, prometheus::Counter*, std::less<>>;

constexpr std::array outcomes{rules::RollbackStatus::success, rules::RollbackStatus::failed,
                              rules::RollbackStatus::aborted};

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

  Counters decisions;   // by reason
  Counters suppressed;  // by reason
  Counters roman_events;
  Counters alerts;
  std::map<std::pair<rules::RollbackStatus, rules::Reason>, prometheus::Counter*> rollbacks;
  prometheus::Counter* started = nullptr;
  prometheus::Histogram* event_to_decision = nullptr;
  prometheus::Histogram* decision_to_recovered = nullptr;
  prometheus::Histogram* journal_wait = nullptr;

  // The newest event of each deployment and service in the batch just taken in.
  std::map<rules::DeploymentId, rules::Instant> newest_of_deployment;
  std::map<rules::Service, rules::Instant> newest_of_service;
  // Rollbacks whose end is still to be counted.
  std::set<rules::EventId> open;

  void remember(const rules::FeedBatch& batch);
  void time_decision(const rules::Rollback& rollback);
  void count(const rules::PutRollback& put);

 private:
  prometheus::Family<prometheus::Counter>& counters(MetricRow row) {
    return prometheus::BuildCounter().Name(text(row.name)).Help(text(row.help)).Register(registry);
  }
  prometheus::Histogram& histogram(MetricRow row, const std::vector<double>& bounds) {
    return prometheus::BuildHistogram()
        .Name(text(row.name))
        .Help(text(row.help))
        .Register(registry)
        .Add({}, bounds);
  }
};

Metrics::Series::Series() {
  for (const Count what : all_with_a_row<Count>()) {
    counts.push_back(&counters(row_of(what)).Add({}));
  }
  for (const Level what : all_with_a_row<Level>()) {
    const MetricRow row = row_of(what);
    levels.push_back(&prometheus::BuildGauge()
                          .Name(text(row.name))
                          .Help(text(row.help))
                          .Register(registry)
                          .Add({}));
  }
  for (const Timing what : all_with_a_row<Timing>()) {
    timings.push_back(&histogram(row_of(what), buckets_of(what)));
  }

  auto& decisions_by = counters(row_of(Told::decisions));
  auto& suppressed_by = counters(row_of(Told::suppressed));
  auto& rollbacks_by = counters(row_of(Told::rollbacks));
  for (const rules::Reason reason : rules::all_reasons()) {
    const std::string name = text(name_of(reason));
    decisions.emplace(name, &decisions_by.Add({{"reason", name}}));
    if (rules::is_suppression(reason)) {
      suppressed.emplace(name, &suppressed_by.Add({{"reason", name}}));
    }
    for (const rules::RollbackStatus outcome : outcomes) {
      if (outcome != rules::RollbackStatus::success || reason == rules::Reason::rollback) {
        rollbacks.emplace(
            std::pair{outcome, reason},
            &rollbacks_by.Add({{"outcome", text(name_of(outcome))}, {"reason", name}}));
      }
    }
  }
  auto& events_by = counters(row_of(Told::roman_events));
  for (const std::string_view type : roman_event_types()) {
    roman_events.emplace(text(type), &events_by.Add({{"event_type", text(type)}}));
  }
  auto& alerts_by = counters(row_of(Told::alerts));
  for (const rules::AlertKind kind : rules::all_alert_kinds()) {
    alerts.emplace(text(name_of(kind)), &alerts_by.Add({{"kind", text(name_of(kind))}}));
  }
  started = &counters(row_of(Told::rollbacks_started)).Add({});
  event_to_decision = &histogram(row_of(Told::event_to_decision), buckets_of_decision());
  decision_to_recovered = &histogram(row_of(Told::decision_to_recovered), buckets_of_recovery());
  journal_wait = &histogram(row_of(Told::journal_wait), buckets_of(Timing::journal_commit));
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

// A row is written many times; its end counts once. Rejections are rows, but no rollbacks.
void Metrics::Series::count(const rules::PutRollback& put) {
  const rules::Rollback& rollback = put.rollback;
  if (rollback.type == rules::TriggerType::constitutional_violation) {
    return;
  }
  if (put.is_new) {
    started->Increment();
    open.insert(rollback.id);
  }
  if (!rollback.is_over() || open.erase(rollback.id) == 0) {
    return;
  }
  const auto ended =
      rollbacks.find({rollback.status, rollback.ended_by.value_or(rules::Reason::rollback)});
  if (ended != rollbacks.end()) {
    ended->second->Increment();
  }
  if (rollback.status == rules::RollbackStatus::success && rollback.completed_at) {
    decision_to_recovered->Observe(rules::in_seconds(*rollback.completed_at - rollback.decided_at));
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

void Metrics::took(const rules::Input& input) {
  series_->newest_of_deployment.clear();
  series_->newest_of_service.clear();
  if (const auto* batch = std::get_if<rules::FeedBatch>(&input)) {
    series_->remember(*batch);
  } else if (const auto* journal = std::get_if<rules::JournalRead>(&input)) {
    series_->open.clear();
    for (const rules::Rollback& rollback : journal->active) {
      series_->open.insert(rollback.id);
    }
  }
}

void Metrics::decided(const rules::Output& output) {
  if (output.audit) {
    set(Level::window_drift, static_cast<double>(output.audit->drift));
    set(Level::feed_foreign_rows, static_cast<double>(output.audit->foreign_rows));
  }
  if (output.response_times) {
    count(Count::response_times_unattributed,
          static_cast<double>(output.response_times->unattributed));
    count(Count::response_times_dropped, static_cast<double>(output.response_times->dropped));
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
  for (const rules::JournalEntry& entry : commit.entries) {
    if (const auto* put = std::get_if<rules::PutRollback>(&entry)) {
      series_->count(*put);
    } else if (const auto* event = std::get_if<rules::RomanEvent>(&entry)) {
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

std::string Metrics::scrape(const View& view) const {
  std::vector<prometheus::MetricFamily> families = series_->registry.Collect();
  append_view_metrics(view, max_services_, families);
  append_process_metrics(families);
  std::ostringstream out;
  prometheus::TextSerializer{}.Serialize(out, families);
  return std::move(out).str();
}

}  // namespace rollbackd::engine
