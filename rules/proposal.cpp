#include "rules/proposal.hpp"

#include "rules/laws.hpp"
#include "rules/limits.hpp"

namespace rollbackd::rules {
namespace {

// Salts that keep the ids derived from one moment apart, for every number of a proposal.
constexpr std::uint64_t event_salt(std::uint64_t number) { return 2 * number + 1; }
constexpr std::uint64_t replacement_salt(std::uint64_t number) { return 2 * number + 2; }

Evidence evidence_of(const World& world, const Deployment& deployment) {
  Evidence evidence;
  evidence.errors_per_minute = errors_per_minute(world, deployment.id, limits::rate_window);
  evidence.recent_errors = static_cast<std::int64_t>(recent_errors(world, deployment.id));
  evidence.connection_utilisation = world.samples ? world.samples->connection_utilisation : 0;
  evidence.entropy = system_entropy(evidence.errors_per_minute);
  evidence.as_of = world.windows.now();
  return evidence;
}

}  // namespace

Rollback propose(const World& world, const Deployment& deployment, Instant now,
                 std::uint64_t number) {
  const std::int64_t moment = now.time_since_epoch().count();
  Rollback rollback;
  rollback.id = EventId{derived_uuid(deployment.id.bytes(), moment, event_salt(number))};
  rollback.replacement =
      DeploymentId{derived_uuid(deployment.id.bytes(), moment, replacement_salt(number))};
  rollback.deployment = deployment.id;
  rollback.version = deployment.version;
  rollback.git_commit = deployment.git_commit;
  rollback.service = deployment.service;
  rollback.decided_at = now;
  rollback.evidence = evidence_of(world, deployment);
  rollback.executor = world.book.of(deployment.service).executor;
  rollback.old_status = deployment.status;
  rollback.old_health_check_passed = deployment.health_check_passed;
  rollback.target = target_from(world, deployment);
  return rollback;
}

std::optional<Target> target_from(const World& world, const Deployment& deployment) {
  const Deployment* target = world.deployments.target_of(deployment);
  return target == nullptr
             ? std::nullopt
             : std::optional{Target{target->id, target->version, target->git_commit,
                                    target->deployed_at, target->health_check_passed}};
}

void wait_for_person(Rollback& rollback, const Policy& policy, Instant now) {
  rollback.status = RollbackStatus::pending;
  rollback.asked = true;
  rollback.expires_at = now + policy.ask_expires;
}

void cite(Rollback& rollback, const Reading& reading) {
  const Trigger& trigger = *reading.trigger;
  rollback.reason = reason_text(reading);
  rollback.evidence.trigger = trigger.name;
  rollback.evidence.signal = name_of(trigger.signal);
  rollback.evidence.window = trigger.window;
  rollback.evidence.measured = reading.measured;
  rollback.evidence.above = trigger.above;
}

void refuse(Rollback& rollback, Instant now) {
  rollback.type = TriggerType::constitutional_violation;
  rollback.status = RollbackStatus::aborted;
  rollback.completed_at = now;
  rollback.ended_by = rollback.validation.violated().front();
  for (Step& step : rollback.steps) {
    step.status = StepStatus::skipped;
  }
}

}  // namespace rollbackd::rules
