#include "engine/telemetry/rollback_metrics.hpp"

#include <variant>
#include <vector>

#include "engine/telemetry/families.hpp"
#include "rules/laws.hpp"

namespace rollbackd::engine {
namespace {

using rules::DeployOutcome;
using rules::Reason;
using rules::RollbackStatus;
using rules::TriggerType;

constexpr std::array outcomes{RollbackStatus::success, RollbackStatus::failed,
                              RollbackStatus::aborted};
constexpr std::array executors{"command", "github", "webhook"};
constexpr std::array<std::pair<DeployOutcome, const char*>, 6> failures{
    {{DeployOutcome::failed, "failed"},
     {DeployOutcome::cancelled, "cancelled"},
     {DeployOutcome::timed_out, "timed_out"},
     {DeployOutcome::not_started, "not_started"},
     {DeployOutcome::refused, "refused"},
     {DeployOutcome::unknown, "unknown"}}};

std::string text(std::string_view view) { return std::string{view}; }

bool has_ended(const rules::Step& step) {
  return step.status == rules::StepStatus::success || step.status == rules::StepStatus::failed;
}

}  // namespace

RollbackMetrics::RollbackMetrics(prometheus::Registry& registry) {
  const auto counter = [&registry](Told what, const prometheus::Labels& labels = {}) {
    return &add_counter(registry, row_of(what), labels);
  };
  for (const TriggerType type : {TriggerType::automatic, TriggerType::manual}) {
    started_[type] = counter(Told::rollbacks_started, {{"trigger_type", text(name_of(type))}});
  }
  for (const Reason reason : rules::all_reasons()) {
    for (const RollbackStatus outcome : outcomes) {
      if (outcome != RollbackStatus::success || reason == Reason::rollback) {
        ended_[{outcome, reason}] = counter(Told::rollbacks, {{"outcome", text(name_of(outcome))},
                                                              {"reason", text(name_of(reason))}});
      }
    }
  }
  last_ = &add_gauge(registry, row_of(Told::last_rollback));
  recovered_ = &add_histogram(registry, row_of(Told::decision_to_recovered), buckets_of_recovery());
  for (std::size_t i = 0; i < rules::step_count; ++i) {
    const prometheus::Labels step{{"step", text(name_of(static_cast<rules::StepName>(i)))}};
    steps_[i] = &add_histogram(registry, row_of(Told::step_duration), buckets_of_steps(), step);
    steps_failed_[i] = counter(Told::steps_failed, step);
  }
  for (const char* executor : executors) {
    Deploys& deploys = deploys_[executor];
    deploys.dispatched = counter(Told::deploys, {{"executor", executor}});
    for (const auto& [outcome, name] : failures) {
      deploys.failed[outcome] =
          counter(Told::deploys_failed, {{"executor", executor}, {"outcome", name}});
    }
  }
  validations_ = counter(Told::validations);
  refused_ = counter(Told::validations_refused);
  for (const rules::Check& check : rules::apply_laws({})) {
    for (const rules::Outcome outcome :
         {rules::Outcome::compliant, rules::Outcome::violation, rules::Outcome::warning}) {
      laws_[{check.name, outcome}] =
          counter(Told::law_checks,
                  {{"law", text(name_of(check.name))}, {"outcome", text(name_of(outcome))}});
    }
  }
}

RollbackMetrics::Open RollbackMetrics::counted_so_far(const rules::Rollback& rollback) {
  Open open{rollback.executor, rollback.claims, {}};
  for (std::size_t i = 0; i < rules::step_count; ++i) {
    open.steps.set(i, has_ended(rollback.steps.at(i)));
  }
  return open;
}

void RollbackMetrics::begin_from(const rules::JournalRead& journal) {
  open_.clear();
  for (const rules::Rollback& rollback : journal.active) {
    open_.emplace(rollback.id, counted_so_far(rollback));
  }
}

void RollbackMetrics::ended(const rules::DeployEnded& deploy) {
  const auto open = open_.find(deploy.event);
  if (open == open_.end()) {
    return;
  }
  const auto deploys = deploys_.find(open->second.executor);
  if (deploys == deploys_.end()) {
    return;
  }
  const auto failed = deploys->second.failed.find(deploy.outcome);
  if (failed != deploys->second.failed.end()) {
    failed->second->Increment();
  }
}

// A validation is told in the transaction that writes its rollback.
void RollbackMetrics::committed(const rules::Commit& commit) {
  const rules::Rollback* validated = nullptr;
  bool is_told = false;
  for (const rules::JournalEntry& entry : commit.entries) {
    if (const auto* put = std::get_if<rules::PutRollback>(&entry)) {
      count(*put);
      validated = &put->rollback;
    } else if (const auto* event = std::get_if<rules::RomanEvent>(&entry)) {
      is_told = is_told || event->event_type == "rollback_validation";
    }
  }
  if (is_told && validated != nullptr) {
    count(validated->validation);
  }
}

void RollbackMetrics::count(const rules::Validation& validation) {
  validations_->Increment();
  if (!validation.compliant()) {
    refused_->Increment();
  }
  for (const rules::Check& check : validation.checks) {
    const auto law = laws_.find({check.name, check.outcome});
    if (law != laws_.end()) {
      law->second->Increment();
    }
  }
}

// Rejections are rows, but no rollbacks.
void RollbackMetrics::count(const rules::PutRollback& put) {
  const rules::Rollback& rollback = put.rollback;
  if (rollback.type == TriggerType::constitutional_violation) {
    return;
  }
  if (put.is_new) {
    started_.at(rollback.type)->Increment();
    last_->Set(rules::in_seconds(rollback.decided_at.time_since_epoch()));
    open_.emplace(rollback.id, Open{rollback.executor, 0, {}});
  }
  const auto open = open_.find(rollback.id);
  if (open == open_.end()) {
    return;
  }
  count_progress(rollback, open->second);
  if (rollback.is_over()) {
    open_.erase(open);
    count_end(rollback);
  }
}

void RollbackMetrics::count_progress(const rules::Rollback& rollback, Open& open) {
  for (std::size_t i = 0; i < rules::step_count; ++i) {
    const rules::Step& step = rollback.steps.at(i);
    if (open.steps.test(i) || !has_ended(step)) {
      continue;
    }
    open.steps.set(i);
    if (step.started_at && step.completed_at) {
      steps_.at(i)->Observe(rules::in_seconds(*step.completed_at - *step.started_at));
    }
    if (step.status == rules::StepStatus::failed) {
      steps_failed_.at(i)->Increment();
    }
  }
  open.executor = rollback.executor;
  if (rollback.claims > open.claims) {
    const auto deploys = deploys_.find(rollback.executor);
    if (deploys != deploys_.end()) {
      deploys->second.dispatched->Increment(rollback.claims - open.claims);
    }
    open.claims = rollback.claims;
  }
}

void RollbackMetrics::count_end(const rules::Rollback& rollback) {
  const auto ended = ended_.find({rollback.status, rollback.ended_by.value_or(Reason::rollback)});
  if (ended != ended_.end()) {
    ended->second->Increment();
  }
  if (rollback.status == RollbackStatus::success && rollback.completed_at) {
    recovered_->Observe(rules::in_seconds(*rollback.completed_at - rollback.decided_at));
  }
}

}  // namespace rollbackd::engine
