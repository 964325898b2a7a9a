#include "rules/execution.hpp"

#include <algorithm>
#include <utility>

#include "rules/guards.hpp"
#include "rules/invariant.hpp"
#include "rules/limits.hpp"
#include "rules/story.hpp"
#include "rules/verification.hpp"

namespace rollbackd::rules {
namespace {

void begin(Rollback& rollback, StepName name, Instant now) {
  Step& step = rollback.step(name);
  step.status = StepStatus::in_progress;
  step.started_at = now;
}

void end(Rollback& rollback, StepName name, StepStatus status, Instant now,
         std::string error = {}) {
  Step& step = rollback.step(name);
  step.status = status;
  step.started_at = step.started_at.value_or(now);
  step.completed_at = now;
  step.error = std::move(error);
}

// A step that is nothing but a change of the journal begins and ends in the same transaction.
void do_at_once(Rollback& rollback, StepName name, Instant now) {
  end(rollback, name, StepStatus::success, now);
}

void skip_the_rest(Rollback& rollback) {
  for (Step& step : rollback.steps) {
    if (step.status == StepStatus::pending || step.status == StepStatus::in_progress) {
      step.status = StepStatus::skipped;
    }
  }
}

NextMove just(std::vector<JournalEntry> entries, std::vector<Action> then = {}) {
  return {std::move(entries), std::move(then)};
}

RestoreDeployment restore(const Rollback& rollback) {
  return {rollback.deployment, rollback.old_status, rollback.old_health_check_passed,
          rollback.replacement};
}

std::string last_error(const Rollback& rollback) {
  std::string error;
  for (const Step& step : rollback.steps) {
    error = step.status == StepStatus::failed ? step.error : error;
  }
  return error;
}

bool is_marked(const Rollback& rollback) {
  return rollback.step(StepName::mark_rolled_back).status == StepStatus::success;
}

}  // namespace

Execution Execution::decided(Rollback rollback) {
  Execution execution{std::move(rollback)};
  begin(execution.rollback_, StepName::create_pre_rollback_snapshot,
        execution.rollback_.decided_at);
  return execution;
}

Execution Execution::resumed(Rollback rollback, bool running) {
  Execution execution{std::move(rollback)};
  if (execution.rollback_.claimed_at && !execution.rollback_.serving_from && !running) {
    execution.ended_ = DeployEnded{execution.rollback_.id, DeployOutcome::unknown,
                                   "the daemon stopped between the claim and the deploy's end"};
  }
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
  return just(
      {PutRollback{rollback_, true}, story_of_validation(rollback_),
       story_of(rollback_, "rollback_initiated", "warning",
                rollback_.version + " will be rolled back to " + target + ": " + rollback_.reason),
       Alert{AlertKind::initiated, rollback_}},
      ask_for_snapshot().then);
}

void Execution::committed() { committing_ = false; }

void Execution::abort(Said said) {
  INVARIANT(!is_dispatched());
  stopped_ = std::move(said);
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

Instant Execution::earliest_dispatch(const World& world) const {
  const bool unattended = rollback_.type == TriggerType::automatic && !rollback_.approved;
  return unattended ? rollback_.decided_at + world.book.of(rollback_.service).confirm
                    : rollback_.decided_at;
}

std::optional<Instant> Execution::wake_at(const World& world, Instant now) const {
  if (is_proposal() && !committing_) {
    return rollback_.expires_at;
  }
  if (committing_ || step_at_hand() != StepName::trigger_deploy || rollback_.claimed_at ||
      !is_current(world, now)) {
    return std::nullopt;
  }
  return earliest_dispatch(world);
}

std::optional<NextMove> Execution::next(const World& world, Instant now) {
  if (committing_ || rollback_.is_over()) {
    return std::nullopt;
  }
  if (is_proposal()) {
    auto end = next_of_proposal(world, now);
    committing_ = end.has_value();
    return end;
  }
  if (stopped_ && !is_dispatched()) {
    rollback_.aborted = *stopped_;
    committing_ = true;
    return abort(Reason::aborted, stopped_->reason, now);
  }
  // Across a gap nobody knows what is current, what has failed and what there is to go back to.
  const bool may_go_on = is_current(world, now) || rollback_.claimed_at;
  std::optional<NextMove> move;
  switch (step_at_hand().value_or(StepName::record_result)) {
    case StepName::create_pre_rollback_snapshot:
    case StepName::identify_target:
    case StepName::revert_migrations:
    case StepName::mark_rolled_back:
      if (!snapshot_ && !snapshot_asked_) {
        snapshot_asked_ = true;
        move = ask_for_snapshot();
      } else if (snapshot_ && may_go_on) {
        move = prepare(world, now);
      }
      break;
    case StepName::trigger_deploy:
      if (rollback_.claimed_at) {
        move = follow_deploy(world, now);
      } else if (may_go_on) {
        move = dispatch_or_abort(world, now);
      }
      break;
    case StepName::await_deploy:
      move = follow_deploy(world, now);
      break;
    case StepName::verify_health:
      move = look_at_health(world, now);
      break;
    case StepName::record_result:
      UNREACHABLE("an unfinished rollback without an unfinished step");
  }
  committing_ = move && !move->entries.empty();
  return move;
}

NextMove Execution::ask_for_snapshot() const {
  const Evidence& e = rollback_.evidence;
  return just({}, {TakeSnapshot{rollback_.deployment,
                                SnapshotType::pre_rollback,
                                {{"errors_per_minute", e.errors_per_minute},
                                 {"recent_errors", e.recent_errors},
                                 {"connection_utilisation", e.connection_utilisation}}}});
}

// Steps 1 to 4: all that can be done without touching anything outside the database.
NextMove Execution::prepare(const World& world, Instant now) {
  const bool taken = !snapshot_->snapshot_id.empty();
  Step& first = rollback_.step(StepName::create_pre_rollback_snapshot);
  end(rollback_, StepName::create_pre_rollback_snapshot,
      taken ? StepStatus::success : StepStatus::failed, now, snapshot_->error);
  if (taken) {
    first.metadata = {{"snapshot_id", snapshot_->snapshot_id}};
  }
  const Deployment* bad = world.deployments.find(rollback_.deployment);
  const Deployment* target = bad == nullptr ? nullptr : world.deployments.target_of(*bad);
  if (target == nullptr || !rollback_.target || target->id != rollback_.target->id) {
    end(rollback_, StepName::identify_target, StepStatus::failed, now,
        "the validated target is no target any more");
    return abort(Reason::no_target, "the validated target is no target any more", now);
  }
  do_at_once(rollback_, StepName::identify_target, now);
  rollback_.step(StepName::identify_target).metadata = {{"target", target->id.text()},
                                                        {"version", target->version}};
  end(rollback_, StepName::revert_migrations, StepStatus::skipped, now);
  do_at_once(rollback_, StepName::mark_rolled_back, now);
  rollback_.old_status = bad->status;
  rollback_.old_health_check_passed = bad->health_check_passed;
  return just({PutRollback{rollback_},
               MarkRolledBack{rollback_.deployment, rollback_.old_status, rollback_.replacement,
                              target->id, now},
               story_of_step(rollback_, StepName::create_pre_rollback_snapshot),
               story_of_step(rollback_, StepName::identify_target),
               story_of_step(rollback_, StepName::mark_rolled_back)});
}

// The last moment to think again: after the claim a dispatch may have happened.
std::optional<NextMove> Execution::dispatch_or_abort(const World& world, Instant now) {
  if (now < earliest_dispatch(world)) {
    return std::nullopt;
  }
  const Deployment* current = world.deployments.at(rollback_.service, now);
  if (current == nullptr || current->id != rollback_.deployment) {
    return abort(Reason::superseded, "another deployment is current", now);
  }
  if (rollback_.type == TriggerType::automatic && !rollback_.approved) {
    if (now - rollback_.decided_at > world.book.of(rollback_.service).stale_after) {
      return abort(Reason::stale, "the evidence is too old; it is judged anew", now);
    }
    if (const auto waiting = holds(world, *current, now); !waiting.empty()) {
      return abort(waiting.front(), "a guard says wait right before the dispatch", now);
    }
  }
  rollback_.claimed_at = now;
  begin(rollback_, StepName::trigger_deploy, now);
  INVARIANT(rollback_.target.has_value());
  return just({PutRollback{rollback_}, story_of_step(rollback_, StepName::trigger_deploy)},
              {Deploy{rollback_.id, rollback_.service, rollback_.executor, rollback_.replacement,
                      rollback_.deployment, rollback_.target->version, rollback_.target->git_commit,
                      rollback_.reason, now}});
}

// A deployment that somebody made while the rollback was out of our hands; the replacement is left
// out.
const Deployment* Execution::superseding(const World& world, Instant now) const {
  const Deployment* current = world.deployments.at(rollback_.service, now, rollback_.replacement);
  const Deployment* bad = world.deployments.find(rollback_.deployment);
  const bool is =
      world.complete && current != nullptr && bad != nullptr && deployed_before(*bad, *current);
  return is ? current : nullptr;
}

// Two deploys met. The newer one is what people wanted last: it keeps being current.
NextMove Execution::give_way(const Deployment& newer, Instant now) {
  const Instant before = *newer.deployed_at - Duration{1};
  rollback_.serving_from = std::min(rollback_.serving_from.value_or(before), before);
  rollback_.status = RollbackStatus::aborted;
  rollback_.ended_by = Reason::superseded;
  rollback_.step(StepName::verify_health).error = newer.version + " was deployed meanwhile";
  return finish(now, {PutInService{rollback_.replacement, *rollback_.serving_from},
                      story_of_step(rollback_, StepName::await_deploy)});
}

std::optional<NextMove> Execution::follow_deploy(const World& world, Instant now) {
  const bool triggered = rollback_.step(StepName::trigger_deploy).status == StepStatus::success;
  if (ended_) {
    return ended_->outcome == DeployOutcome::succeeded ? put_in_service(world, now)
                                                       : deploy_failed(now);
  }
  if (triggered || !started_) {
    return std::nullopt;
  }
  end(rollback_, StepName::trigger_deploy, StepStatus::success, now);
  rollback_.step(StepName::trigger_deploy).metadata = {{"detail", started_->detail}};
  begin(rollback_, StepName::await_deploy, now);
  return just({PutRollback{rollback_}, story_of_step(rollback_, StepName::trigger_deploy)});
}

NextMove Execution::put_in_service(const World& world, Instant now) {
  if (rollback_.step(StepName::trigger_deploy).status != StepStatus::success) {
    end(rollback_, StepName::trigger_deploy, StepStatus::success, now);
  }
  end(rollback_, StepName::await_deploy, StepStatus::success, now);
  rollback_.step(StepName::await_deploy).metadata = {{"detail", ended_->detail}};
  if (const Deployment* newer = superseding(world, now)) {
    return give_way(*newer, now);
  }
  rollback_.serving_from = now + world.book.of(rollback_.service).settle;
  begin(rollback_, StepName::verify_health, now);
  return just({PutRollback{rollback_}, PutInService{rollback_.replacement, *rollback_.serving_from},
               story_of_step(rollback_, StepName::await_deploy)});
}

std::optional<NextMove> Execution::look_at_health(const World& world, Instant now) {
  if (const Deployment* newer = superseding(world, now)) {
    return give_way(*newer, now);
  }
  // An answer is good for the moment it is given, and a bad one is not asked for again at once.
  const auto answer = std::exchange(health_url_, std::nullopt);
  Verification seen = verify(world, rollback_, answer, now);
  if (seen.health == Health::ask_health_url) {
    if (health_asked_ || health_asked_at_ == world.windows.now()) {
      return std::nullopt;
    }
    health_asked_ = true;
    health_asked_at_ = world.windows.now();
    return just({}, {ProbeHealth{rollback_.id, rollback_.service}});
  }
  if (seen.health == Health::wait) {
    return std::nullopt;
  }
  const bool healthy = seen.health == Health::healthy;
  end(rollback_, StepName::verify_health, healthy ? StepStatus::success : StepStatus::failed, now,
      seen.error);
  rollback_.step(StepName::verify_health).metadata = std::move(seen.findings);
  rollback_.status = healthy ? RollbackStatus::success : RollbackStatus::failed;
  if (!healthy) {
    rollback_.ended_by = Reason::still_unhealthy;
  }
  return finish(now, {story_of_step(rollback_, StepName::verify_health)});
}

NextMove Execution::deploy_failed(Instant now) {
  const bool unknown = ended_->outcome == DeployOutcome::unknown;
  const StepName at = ended_->outcome == DeployOutcome::not_started ||
                              rollback_.step(StepName::await_deploy).status == StepStatus::pending
                          ? StepName::trigger_deploy
                          : StepName::await_deploy;
  end(rollback_, at, StepStatus::failed, now, ended_->detail);
  rollback_.status = RollbackStatus::failed;
  rollback_.ended_by = unknown ? Reason::outcome_unknown : Reason::deploy_failed;
  const RomanEvent step = story_of_step(rollback_, at);
  return finish(now, {restore(rollback_), step});
}

NextMove Execution::abort(Reason reason, const std::string& why, Instant now) {
  rollback_.status = RollbackStatus::aborted;
  rollback_.ended_by = reason;
  std::vector<JournalEntry> entries;
  if (is_marked(rollback_)) {
    entries.emplace_back(restore(rollback_));
  }
  rollback_.step(StepName::trigger_deploy).error = why;
  return finish(now, std::move(entries));
}

// The last transaction: step 8, the story's end and the alert.
NextMove Execution::finish(Instant now, std::vector<JournalEntry> entries) {
  do_at_once(rollback_, StepName::record_result, now);
  skip_the_rest(rollback_);
  rollback_.completed_at = now;
  const bool success = rollback_.status == RollbackStatus::success;
  const bool aborted = rollback_.status == RollbackStatus::aborted;
  const std::string seconds_taken =
      number_text(in_seconds(now - rollback_.decided_at)) + " seconds after the decision";
  const std::string reason = rollback_.ended_by ? std::string{name_of(*rollback_.ended_by)} : "";
  entries.insert(entries.begin(), PutRollback{rollback_});
  if (success) {
    entries.emplace_back(
        story_of(rollback_, "rollback_completed", "info", "Health returned " + seconds_taken));
    entries.emplace_back(Alert{AlertKind::completed, rollback_});
  } else if (aborted) {
    entries.emplace_back(
        rollback_.claimed_at
            ? story_of(rollback_, "rollback_aborted", "error",
                       "Two deploys met: " + rollback_.step(StepName::verify_health).error)
            : story_of(rollback_, "rollback_aborted", "warning",
                       "Stopped before the dispatch: " + reason));
    entries.emplace_back(Alert{AlertKind::aborted, rollback_});
  } else {
    entries.emplace_back(
        story_of(rollback_, "rollback_failed", "error",
                 "Failed " + seconds_taken + ": " + reason + ": " + last_error(rollback_)));
    entries.emplace_back(Alert{AlertKind::failed, rollback_});
  }
  return just(std::move(entries));
}

}  // namespace rollbackd::rules
