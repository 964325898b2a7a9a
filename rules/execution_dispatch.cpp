// Step 5 until the claim: the last moment to think again.

#include <algorithm>
#include <utility>

#include "rules/execution.hpp"
#include "rules/execution_steps.hpp"
#include "rules/guards.hpp"
#include "rules/invariant.hpp"
#include "rules/limits.hpp"
#include "rules/preconditions.hpp"
#include "rules/story.hpp"

namespace rollbackd::rules {

bool Execution::has_overridden(Reason reason) const {
  return std::find(rollback_.overrides.begin(), rollback_.overrides.end(), reason) !=
         rollback_.overrides.end();
}

// Nobody asked for it and nobody approved it: guards can stop it, and it can be outdated.
bool Execution::is_unattended() const {
  return rollback_.type == TriggerType::automatic && !rollback_.approved;
}

Instant Execution::earliest_dispatch(const World& world) const {
  const Instant confirmed = is_unattended()
                                ? rollback_.decided_at + world.book.of(rollback_.service).confirm
                                : rollback_.decided_at;
  return std::max(confirmed, rollback_.not_before.value_or(confirmed));
}

// When a certain no is not asked again any more.
std::optional<Instant> Execution::patience_ends() const {
  return rollback_.refused_since
             ? std::optional{*rollback_.refused_since + limits::refused_patience}
             : std::nullopt;
}

std::optional<Instant> Execution::wake_at(const World& world, Instant now) const {
  if (is_proposal() && !committing_) {
    return rollback_.expires_at;
  }
  if (committing_ || is_dispatched() || step_at_hand() != StepName::trigger_deploy) {
    return std::nullopt;
  }
  const auto patience = patience_ends();
  if (control_asked_ != 0 || !is_current(world, now)) {
    return patience;
  }
  const Instant earliest = earliest_dispatch(world);
  return patience ? std::min(earliest, *patience) : earliest;
}

NextMove Execution::ask_for_control(World& world) {
  control_asked_ = ++world.controls_asked;
  return {{}, {ReadControl{control_asked_}}};
}

std::optional<Execution::Objection> Execution::objection(const World& world, Instant now) const {
  INVARIANT(world.control.has_value());
  const Pause& pause = world.control->pause;
  if (pause.on && !has_overridden(Reason::paused)) {
    return Objection{Reason::paused, "paused by " + (pause.by.empty() ? "somebody" : pause.by) +
                                         (pause.reason.empty() ? "" : ": " + pause.reason)};
  }
  const Deployment* current = world.deployments.at(rollback_.service, now);
  const bool is_its = current != nullptr && current->id == rollback_.deployment;
  if (!is_its && !has_overridden(Reason::superseded)) {
    return Objection{Reason::superseded, "another deployment is current"};
  }
  return std::nullopt;
}

std::optional<Execution::Objection> Execution::objection_to_dispatch(const World& world,
                                                                     Instant now) const {
  if (auto found = objection(world, now)) {
    return found;
  }
  const Deployment* bad = world.deployments.find(rollback_.deployment);
  if (bad == nullptr) {
    return Objection{Reason::superseded, "its row in ops.deployments is gone"};
  }
  if (is_unattended()) {
    if (now - rollback_.decided_at > world.book.of(rollback_.service).stale_after) {
      return Objection{Reason::stale, "the evidence is too old; it is judged anew"};
    }
    if (const auto waiting = holds(world, *bad, now); !waiting.empty()) {
      return Objection{waiting.front(), "a guard says wait right before the dispatch"};
    }
  }
  const bool automatic = rollback_.type == TriggerType::automatic;
  for (const Check& check : validate(world, {*bad, automatic, false}, now).checks) {
    const bool can_have_come_up =
        check.name == Reason::migration || check.name == Reason::inconsistent_database;
    if (can_have_come_up && check.outcome == Outcome::violation && !has_overridden(check.name)) {
      return Objection{check.name, check.text};
    }
  }
  return std::nullopt;
}

// Between the look and the claim there is nothing: both are of one moment.
std::optional<NextMove> Execution::dispatch(World& world, Instant now, bool looked) {
  if (const auto patience = patience_ends(); patience && now >= *patience) {
    return lose_patience(now);
  }
  if (!is_current(world, now) || now < earliest_dispatch(world)) {
    return std::nullopt;
  }
  if (!looked) {
    return control_asked_ == 0 ? std::optional{ask_for_control(world)} : std::nullopt;
  }
  if (const auto against = objection_to_dispatch(world, now)) {
    return abort_because(against->reason, against->why, now);
  }
  return claim(world, now);
}

NextMove Execution::claim(const World& world, Instant now) {
  INVARIANT(rollback_.target.has_value() && !ended_);
  if (!dispatched_before_) {
    const Deployment* bad = world.deployments.find(rollback_.deployment);
    dispatched_before_ = bad != nullptr && bad->rollback_dispatched;
  }
  rollback_.claimed_at = now;
  rollback_.not_before.reset();
  ++rollback_.claims;
  dispatching_ = true;
  following_ = true;
  begin(rollback_, StepName::trigger_deploy, now);
  return {{PutRollback{rollback_}, story_of_step(rollback_, StepName::trigger_deploy)},
          {Deploy{rollback_.id, rollback_.service, rollback_.executor, rollback_.replacement,
                  rollback_.deployment, rollback_.target->version, rollback_.target->git_commit,
                  rollback_.reason, now, has_overridden(Reason::paused)}}};
}

// Certainly nothing was dispatched: the claim is taken back, and everything is looked at again
// before the next one.
NextMove Execution::claim_again_later(Instant now) {
  const Duration least = rollback_.claims > 1 ? limits::refused_pause : Duration{0};
  rollback_.claimed_at.reset();
  rollback_.refused_since = rollback_.refused_since.value_or(now);
  rollback_.not_before = now + std::max(ended_->retry_after, least);
  Step& step = rollback_.step(StepName::trigger_deploy);
  step.metadata = {{"refused", ended_->detail}};
  step.error = ended_->detail;
  if (*rollback_.not_before >= *patience_ends()) {
    return lose_patience(now);
  }
  step.status = StepStatus::pending;
  return {{PutRollback{rollback_}, story_of_step(rollback_, StepName::trigger_deploy)}, {}};
}

NextMove Execution::lose_patience(Instant now) {
  rollback_.not_before.reset();
  end(rollback_, StepName::trigger_deploy, StepStatus::failed, now,
      "refused, and nothing was dispatched: " + rollback_.step(StepName::trigger_deploy).error);
  rollback_.status = RollbackStatus::failed;
  rollback_.ended_by = Reason::deploy_failed;
  return finish(now, {restore(rollback_), story_of_step(rollback_, StepName::trigger_deploy)});
}

}  // namespace rollbackd::rules
