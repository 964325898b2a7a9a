// A proposal: a rollback that waits for a person.

#include <utility>

#include "rules/execution.hpp"
#include "rules/invariant.hpp"
#include "rules/story.hpp"

namespace rollbackd::rules {
namespace {

std::string version_of(const std::optional<Target>& target) {
  return target ? target->version : "none";
}

std::string by(const Said& said) { return said.by.empty() ? "a person" : said.by; }

std::string because(const Said& said) { return said.reason.empty() ? "" : ": " + said.reason; }

}  // namespace

Execution Execution::proposed(Rollback rollback) {
  INVARIANT(rollback.status == RollbackStatus::pending && rollback.expires_at);
  return Execution{std::move(rollback)};
}

NextMove Execution::opening_of_proposal() {
  committing_ = true;
  RomanEvent proposal =
      story_of(rollback_, "rollback_proposed", "warning",
               rollback_.version + " should be rolled back to " + version_of(rollback_.target) +
                   ", if a person approves: " + rollback_.reason);
  proposal.metadata.push_back(
      {"expires_seconds", in_seconds(*rollback_.expires_at - rollback_.decided_at)});
  return {{PutRollback{rollback_, true}, story_of_validation(rollback_), std::move(proposal),
           Alert{AlertKind::proposed, rollback_}},
          {}};
}

NextMove Execution::approve(Approval approval, Instant now) {
  INVARIANT(is_proposal() && !committing_);
  committing_ = true;
  snapshot_asked_ = true;
  rollback_.status = RollbackStatus::in_progress;
  rollback_.validation = std::move(approval.validation);
  rollback_.target = std::move(approval.target);
  rollback_.overrides = std::move(approval.overrides);
  rollback_.revert_migrations = approval.revert_migrations;
  rollback_.initiated_by = std::move(approval.initiated_by);
  rollback_.token = std::move(approval.token);
  Step& first = rollback_.step(StepName::create_pre_rollback_snapshot);
  first.status = StepStatus::in_progress;
  first.started_at = now;
  const std::string what = "Approved by " + by(approval.said) + because(approval.said);
  RomanEvent approved = story_of(rollback_, "rollback_approved", "warning", what);
  add_said(approved, approval.said);
  rollback_.approved = std::move(approval.said);
  return {{PutRollback{rollback_}, story_of_validation(rollback_), std::move(approved),
           story_of(rollback_, "rollback_initiated", "warning",
                    rollback_.version + " will be rolled back to " + version_of(rollback_.target) +
                        ": " + rollback_.reason),
           Alert{AlertKind::initiated, rollback_}},
          ask_for_snapshot().then};
}

std::optional<NextMove> Execution::next_of_proposal(const World& world, Instant now) {
  if (stopped_) {
    rollback_.aborted = *stopped_;
    return end_proposal(Reason::aborted, "Stopped by " + by(*stopped_) + because(*stopped_), now);
  }
  // What is current is not known across a gap, but time passes.
  const Deployment* current =
      is_current(world, now) ? world.deployments.at(rollback_.service, now) : nullptr;
  if (current != nullptr && current->id != rollback_.deployment) {
    return end_proposal(Reason::superseded, current->version + " is current now", now);
  }
  if (now >= *rollback_.expires_at) {
    return end_proposal(Reason::expired, "Nobody approved it in time", now);
  }
  return std::nullopt;
}

NextMove Execution::end_proposal(Reason reason, const std::string& why, Instant now) {
  for (Step& step : rollback_.steps) {
    step.status = StepStatus::skipped;
  }
  Step& last = rollback_.step(StepName::record_result);
  last.status = StepStatus::success;
  last.started_at = now;
  last.completed_at = now;
  rollback_.step(StepName::trigger_deploy).error = why;
  rollback_.status = RollbackStatus::aborted;
  rollback_.ended_by = reason;
  rollback_.completed_at = now;
  return {{PutRollback{rollback_},
           story_of_abort(rollback_, "warning",
                          "The proposal ended: " + std::string{name_of(reason)} + ": " + why),
           Alert{AlertKind::aborted, rollback_, why}},
          {}};
}

}  // namespace rollbackd::rules
