// A rollback's beginning, and its first four steps.

#include "rules/execution.hpp"

#include <algorithm>
#include <utility>

#include "rules/execution_steps.hpp"
#include "rules/invariant.hpp"
#include "rules/migrations.hpp"
#include "rules/story.hpp"

namespace rollbackd::rules {

Execution Execution::decided(Rollback rollback) {
  Execution execution{std::move(rollback)};
  begin(execution.rollback_, StepName::create_pre_rollback_snapshot,
        execution.rollback_.decided_at);
  return execution;
}

Execution Execution::resumed(Rollback rollback, bool running) {
  Execution execution{std::move(rollback)};
  execution.dispatching_ = running;
  execution.following_ = running;
  execution.stopped_ = execution.rollback_.aborted;
  return execution;
}

NextMove Execution::opening() {
  INVARIANT(!committing_ && !snapshot_asked_);
  if (is_proposal()) {
    return opening_of_proposal();
  }
  committing_ = true;
  snapshot_asked_ = true;
  const std::string target = rollback_.target ? rollback_.target->version : "none";
  return {
      {PutRollback{rollback_, true}, story_of_validation(rollback_),
       story_of(rollback_, "rollback_initiated", "warning",
                rollback_.version + " will be rolled back to " + target + ": " + rollback_.reason),
       Alert{AlertKind::initiated, rollback_}},
      ask_for_snapshot().then};
}

// Answers of the executor are kept until what they led to is written: another attempt at writing
// it needs them.
void Execution::committed() {
  committing_ = false;
  if (!is_dispatched()) {
    started_.reset();
    ended_.reset();
  }
}

void Execution::abort(Said said) {
  INVARIANT(!is_dispatched());
  stopped_ = std::move(said);
}

void Execution::take(const ControlRead& control) {
  control_read_ = control_asked_ != 0 && control.number >= control_asked_;
}

void Execution::take(const HealthUrlAnswered& answer) {
  health_url_ = answer.ok;
  health_asked_ = false;
}

std::optional<StepName> Execution::step_at_hand() const {
  for (std::size_t i = 0; i < step_count; ++i) {
    const StepStatus status = rollback_.steps[i].status;
    if (status == StepStatus::pending || status == StepStatus::in_progress) {
      return static_cast<StepName>(i);
    }
  }
  return std::nullopt;
}

std::optional<NextMove> Execution::next(World& world, Instant now) {
  const bool looked = std::exchange(control_read_, false);
  control_asked_ = looked ? 0 : control_asked_;
  if (committing_ || rollback_.is_over()) {
    return std::nullopt;
  }
  std::optional<NextMove> move;
  if (is_proposal()) {
    move = next_of_proposal(world, now);
  } else if (stopped_ && !is_dispatched() && (!reverting_ || !rollback_.aborted)) {
    move = stop(now);
  } else {
    move = next_of_step(world, now, looked);
  }
  committing_ = move && !move->entries.empty();
  return move;
}

// While migrations are being reverted it is only written down that it has to end: who takes over
// finds it, and their answer is still to come.
NextMove Execution::stop(Instant now) {
  rollback_.aborted = *stopped_;
  if (reverting_) {
    return {{PutRollback{rollback_}}, {}};
  }
  if (rollback_.step(StepName::revert_migrations).status == StepStatus::in_progress) {
    interrupt_reverting(rollback_, now);
  }
  return abort_because(Reason::aborted,
                       "stopped by " + (stopped_->by.empty() ? "a person" : stopped_->by) +
                           (stopped_->reason.empty() ? "" : ": " + stopped_->reason),
                       now);
}

std::optional<NextMove> Execution::next_of_step(World& world, Instant now, bool looked) {
  switch (step_at_hand().value_or(StepName::record_result)) {
    case StepName::create_pre_rollback_snapshot:
    case StepName::identify_target:
    case StepName::mark_rolled_back:
      return prepare(world, now, looked);
    case StepName::revert_migrations:
      return rollback_.revert_migrations ? revert_migrations(world, now, looked)
                                         : prepare(world, now, looked);
    case StepName::trigger_deploy:
      return is_dispatched() ? follow_deploy(world, now) : dispatch(world, now, looked);
    case StepName::await_deploy:
      return follow_deploy(world, now);
    case StepName::verify_health:
      return look_at_health(world, now);
    case StepName::record_result:
      break;
  }
  UNREACHABLE("an unfinished rollback without an unfinished step");
}

NextMove Execution::ask_for_snapshot() const {
  const Evidence& e = rollback_.evidence;
  return {{},
          {TakeSnapshot{rollback_.deployment,
                        SnapshotType::pre_rollback,
                        {{"errors_per_minute", e.errors_per_minute},
                         {"recent_errors", e.recent_errors},
                         {"connection_utilisation", e.connection_utilisation}}}}};
}

// The target that was validated; null: it is none any more.
const Deployment* Execution::target(const World& world) const {
  const Deployment* bad = world.deployments.find(rollback_.deployment);
  const Deployment* found = bad == nullptr ? nullptr : world.deployments.target_of(*bad);
  const bool same = found != nullptr && rollback_.target && found->id == rollback_.target->id;
  return same ? found : nullptr;
}

// Across a gap nobody knows what is current, what has failed and what there is to go back to.
std::optional<NextMove> Execution::prepare(World& world, Instant now, bool looked) {
  if (!snapshot_ && !snapshot_asked_) {
    snapshot_asked_ = true;
    return ask_for_snapshot();
  }
  if (!snapshot_ || !is_current(world, now)) {
    return std::nullopt;
  }
  if (rollback_.revert_migrations && !looked && target(world) != nullptr) {
    return control_asked_ == 0 ? std::optional{ask_for_control(world)} : std::nullopt;
  }
  const bool taken = !snapshot_->snapshot_id.empty();
  end(rollback_, StepName::create_pre_rollback_snapshot,
      taken ? StepStatus::success : StepStatus::failed, now, snapshot_->error);
  if (taken) {
    rollback_.step(StepName::create_pre_rollback_snapshot).metadata = {
        {"snapshot_id", snapshot_->snapshot_id}};
  }
  const Deployment* found = target(world);
  if (found == nullptr) {
    const std::string why = "the validated target is no target any more";
    end(rollback_, StepName::identify_target, StepStatus::failed, now, why);
    return abort_because(Reason::no_target, why, now);
  }
  do_at_once(rollback_, StepName::identify_target, now);
  rollback_.step(StepName::identify_target).metadata = {{"target", found->id.text()},
                                                        {"version", found->version}};
  std::vector<JournalEntry> stories{
      story_of_step(rollback_, StepName::create_pre_rollback_snapshot),
      story_of_step(rollback_, StepName::identify_target)};
  if (!rollback_.revert_migrations) {
    end(rollback_, StepName::revert_migrations, StepStatus::skipped, now);
    return mark(world, now, std::move(stories));
  }
  if (const auto against = objection(world, now)) {
    return abort_because(against->reason, against->why, now);
  }
  return start_reverting(world, now, std::move(stories));
}

// A crash in this step: what has run is not among those that are asked for again.
std::optional<NextMove> Execution::revert_migrations(World& world, Instant now, bool looked) {
  if (reverted_ && !reverted_->failed.empty()) {
    return end_reverting(now);
  }
  if (!is_current(world, now) || (reverting_ && !reverted_)) {
    return std::nullopt;
  }
  const Deployment* found = target(world);
  if (reverted_ && found != nullptr) {
    reverting_ = false;
    do_at_once(rollback_, StepName::revert_migrations, now);
    return mark(world, now, {story_of_step(rollback_, StepName::revert_migrations)});
  }
  if (!looked && !reverted_ && found != nullptr) {
    return control_asked_ == 0 ? std::optional{ask_for_control(world)} : std::nullopt;
  }
  const auto against =
      found == nullptr ? Objection{Reason::no_target, "the validated target is no target any more"}
                       : objection(world, now);
  if (against) {
    reverting_ = false;
    interrupt_reverting(rollback_, now);
    return abort_because(against->reason, against->why, now);
  }
  return start_reverting(world, now, {});
}

NextMove Execution::start_reverting(const World& world, Instant now,
                                    std::vector<JournalEntry> stories) {
  const auto names = names_of(migrations_since(world, *target(world)));
  Step& step = rollback_.step(StepName::revert_migrations);
  begin(rollback_, StepName::revert_migrations, now);
  if (step.metadata.empty() && !names.empty()) {
    step.metadata = {{"migrations", joined(names)}};
  }
  if (names.empty()) {
    do_at_once(rollback_, StepName::revert_migrations, now);
    stories.emplace_back(story_of_step(rollback_, StepName::revert_migrations));
    return mark(world, now, std::move(stories));
  }
  reverting_ = true;
  stories.emplace_back(story_of_step(rollback_, StepName::revert_migrations));
  stories.insert(stories.begin(), PutRollback{rollback_});
  return {std::move(stories),
          {RevertMigrations{rollback_.id, rollback_.deployment, rollback_.service, names}}};
}

// Nothing was marked yet: the bad version goes on serving, as far as it can.
NextMove Execution::end_reverting(Instant now) {
  reverting_ = false;
  const std::string before = joined(reverted_->reverted);
  end(rollback_, StepName::revert_migrations, StepStatus::failed, now,
      "migration " + reverted_->failed + " could not be reverted: " + reverted_->error +
          (before.empty() ? "; none was reverted before it" : "; reverted before it: " + before) +
          ". Nothing was deployed, " + rollback_.version +
          " still serves. Correct its rollback_script in ops.migration_history, or revert it by "
          "hand and set its rolled_back_at and rollback_successful, then ask for the rollback "
          "again");
  rollback_.status = RollbackStatus::failed;
  rollback_.ended_by = Reason::migration_failed;
  return finish(now, {story_of_step(rollback_, StepName::revert_migrations)});
}

NextMove Execution::mark(const World& world, Instant now, std::vector<JournalEntry> stories) {
  const Deployment* bad = world.deployments.find(rollback_.deployment);
  const Deployment* found = target(world);
  INVARIANT(bad != nullptr && found != nullptr);
  do_at_once(rollback_, StepName::mark_rolled_back, now);
  rollback_.old_status = bad->status;
  rollback_.old_health_check_passed = bad->health_check_passed;
  std::vector<JournalEntry> entries{PutRollback{rollback_},
                                    MarkRolledBack{rollback_.deployment, rollback_.old_status,
                                                   rollback_.replacement, found->id, now}};
  entries.insert(entries.end(), stories.begin(), stories.end());
  entries.emplace_back(story_of_step(rollback_, StepName::mark_rolled_back));
  return {std::move(entries), {}};
}

}  // namespace rollbackd::rules
