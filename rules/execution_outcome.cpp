// What becomes of a rollback after its claim.

#include <algorithm>
#include <utility>

#include "rules/execution.hpp"
#include "rules/execution_steps.hpp"
#include "rules/invariant.hpp"
#include "rules/limits.hpp"
#include "rules/story.hpp"
#include "rules/verification.hpp"

namespace rollbackd::rules {
namespace {

bool is_triggered(const Rollback& rollback) {
  return rollback.step(StepName::trigger_deploy).status == StepStatus::success;
}

}  // namespace

// Never dispatched again: who does not hear of it asks what became of it.
std::optional<NextMove> Execution::follow_deploy(const World& world, Instant now) {
  const bool triggered = is_triggered(rollback_);
  if (started_ && (!triggered || (!started_->run.empty() && started_->run != rollback_.run))) {
    return note_started(now);
  }
  if (ended_) {
    return note_outcome(world, now);
  }
  if (!following_) {
    following_ = true;
    return NextMove{{},
                    {FollowDeploy{rollback_.id, rollback_.service, rollback_.executor,
                                  rollback_.run, *rollback_.claimed_at}}};
  }
  const Deployment* newer = triggered && !cancelled_ ? superseding(world, now) : nullptr;
  if (newer == nullptr) {
    return std::nullopt;
  }
  cancelled_ = true;
  RomanEvent told = story_of_step(rollback_, StepName::await_deploy);
  told.description += ": " + newer->version + " was deployed meanwhile, so it is to be cancelled";
  return NextMove{
      {PutRollback{rollback_}, std::move(told)},
      {CancelDeploy{rollback_.id, rollback_.service, rollback_.executor, rollback_.run}}};
}

// The run's name is written before anything is made of it.
NextMove Execution::note_started(Instant now) {
  if (!started_->run.empty()) {
    rollback_.run = started_->run;
    rollback_.run_url = started_->url;
  }
  Step& step = rollback_.step(StepName::trigger_deploy);
  Fields about{{"detail", started_->detail}};
  if (!rollback_.run.empty()) {
    about.push_back({"run", rollback_.run});
    about.push_back({"url", rollback_.run_url});
  }
  const bool was_refused = !step.metadata.empty() && step.metadata.front().key == "refused";
  if (was_refused) {
    about.push_back(step.metadata.front());
  }
  step.metadata = std::move(about);
  if (!is_triggered(rollback_)) {
    end(rollback_, StepName::trigger_deploy, StepStatus::success, now);
    begin(rollback_, StepName::await_deploy, now);
  }
  return {{PutRollback{rollback_}, story_of_step(rollback_, StepName::trigger_deploy)}, {}};
}

// A no is certain only of a dispatch of this process that nothing was heard of before.
NextMove Execution::note_outcome(const World& world, Instant now) {
  const bool certain = dispatching_ && !is_triggered(rollback_) && rollback_.run.empty();
  if (certain && ended_->outcome == DeployOutcome::refused) {
    return claim_again_later(now);
  }
  if (certain && ended_->outcome == DeployOutcome::not_started && ended_->forbade) {
    rollback_.claimed_at.reset();
    return abort_because(*ended_->forbade, ended_->detail, now);
  }
  return ended_->outcome == DeployOutcome::succeeded ? put_in_service(world, now)
                                                     : deploy_failed(world, now);
}

// A deployment that somebody made while the rollback was out of our hands; the replacement is left
// out, and so is one that was current before, when a person wanted it rolled back all the same.
const Deployment* Execution::superseding(const World& world, Instant now) const {
  const Deployment* current = world.deployments.at(rollback_.service, now, rollback_.replacement);
  const Deployment* bad = world.deployments.find(rollback_.deployment);
  if (!world.complete || current == nullptr || bad == nullptr || !deployed_before(*bad, *current)) {
    return nullptr;
  }
  const bool was_known =
      has_overridden(Reason::superseded) && *current->deployed_at <= rollback_.decided_at;
  return was_known ? nullptr : current;
}

// Two deploys met. The newer one is what people wanted last: it keeps being current.
NextMove Execution::give_way(const Deployment& newer, Instant now) {
  rollback_.status = RollbackStatus::aborted;
  rollback_.ended_by = Reason::superseded;
  Step& verify = rollback_.step(StepName::verify_health);
  verify.error = newer.version + " was deployed meanwhile";
  if (is_triggered(rollback_) &&
      rollback_.step(StepName::await_deploy).status == StepStatus::success) {
    const Instant before = *newer.deployed_at - Duration{1};
    rollback_.serving_from = std::min(rollback_.serving_from.value_or(before), before);
    return finish(now, {PutInService{rollback_.replacement, *rollback_.serving_from},
                        story_of_step(rollback_, StepName::await_deploy)});
  }
  verify.error += "; the rollback's own deploy did not succeed: " + last_error(rollback_);
  return finish(now, {RestoreDeployment{rollback_.deployment, DeploymentStatus::rolled_back, false,
                                        rollback_.replacement},
                      story_of_step(rollback_, StepName::await_deploy)});
}

NextMove Execution::put_in_service(const World& world, Instant now) {
  if (!is_triggered(rollback_)) {
    end(rollback_, StepName::trigger_deploy, StepStatus::success, now);
  }
  end(rollback_, StepName::await_deploy, StepStatus::success, now);
  rollback_.step(StepName::await_deploy).metadata = {{"detail", ended_->detail}};
  if (const Deployment* newer = superseding(world, now)) {
    return give_way(*newer, now);
  }
  rollback_.serving_from = now + world.book.of(rollback_.service).settle;
  begin(rollback_, StepName::verify_health, now);
  return {{PutRollback{rollback_}, PutInService{rollback_.replacement, *rollback_.serving_from},
           story_of_step(rollback_, StepName::await_deploy)},
          {}};
}

NextMove Execution::deploy_failed(const World& world, Instant now) {
  const DeployOutcome outcome = ended_->outcome;
  const bool unknown =
      outcome == DeployOutcome::unknown || outcome == DeployOutcome::refused;  // no certain one
  const bool nothing_runs = outcome == DeployOutcome::not_started;
  const StepName at =
      nothing_runs || rollback_.step(StepName::await_deploy).status == StepStatus::pending
          ? StepName::trigger_deploy
          : StepName::await_deploy;
  end(rollback_, at, StepStatus::failed, now, ended_->detail);
  if ((unknown || outcome == DeployOutcome::timed_out) && can_be_followed(rollback_.executor)) {
    rollback_.followed_until = now + limits::follow_late;
  }
  const Deployment* newer = nothing_runs ? nullptr : superseding(world, now);
  if (newer != nullptr) {
    return give_way(*newer, now);
  }
  rollback_.status = RollbackStatus::failed;
  rollback_.ended_by = unknown ? Reason::outcome_unknown : Reason::deploy_failed;
  return finish(now, {restore(rollback_), story_of_step(rollback_, at)});
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
    return NextMove{{}, {ProbeHealth{rollback_.id, rollback_.service}}};
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

// Before the dispatch, or instead of it.
NextMove Execution::abort_because(Reason reason, const std::string& why, Instant now) {
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
  const std::string seconds_taken =
      number_text(in_seconds(now - rollback_.decided_at)) + " seconds after the decision";
  const std::string reason = rollback_.ended_by ? std::string{name_of(*rollback_.ended_by)} : "";
  const std::string reverted = rollback_.serving_from ? "" : stay_reverted(rollback_);
  entries.insert(entries.begin(), PutRollback{rollback_});
  if (rollback_.status == RollbackStatus::success) {
    entries.emplace_back(
        story_of(rollback_, "rollback_completed", "info", "Health returned " + seconds_taken));
    entries.emplace_back(Alert{AlertKind::completed, rollback_});
  } else if (rollback_.status == RollbackStatus::aborted) {
    entries.emplace_back(
        rollback_.claimed_at
            ? story_of_abort(
                  rollback_, "error",
                  "Two deploys met: " + rollback_.step(StepName::verify_health).error + reverted)
            : story_of_abort(rollback_, "warning",
                             "Stopped before the dispatch: " + reason + reverted));
    entries.emplace_back(Alert{AlertKind::aborted, rollback_});
  } else {
    entries.emplace_back(story_of(
        rollback_, "rollback_failed", "error",
        "Failed " + seconds_taken + ": " + reason + ": " + last_error(rollback_) + reverted));
    entries.emplace_back(Alert{AlertKind::failed, rollback_});
  }
  return {std::move(entries), {}};
}

}  // namespace rollbackd::rules
