#include "rules/probation.hpp"

#include "rules/limits.hpp"

namespace rollbackd::rules {
namespace {

RomanEvent story_about(const Deployment& deployment, std::string type, std::string text) {
  RomanEvent event;
  event.event_type = std::move(type);
  event.severity = "info";
  event.description = std::move(text);
  event.deployment = deployment.id;
  event.service = deployment.service;
  event.metadata = {{"version", deployment.version}, {"git_commit", deployment.git_commit}};
  return event;
}

Fields samples_of(const World& world, const Deployment& deployment) {
  Fields samples{
      {"errors_per_minute", errors_per_minute(world, deployment.id, limits::rate_window)},
      {"recent_errors", static_cast<std::int64_t>(recent_errors(world, deployment.id))}};
  if (world.samples) {
    samples.push_back({"connection_utilisation", world.samples->connection_utilisation});
    samples.push_back({"database_connections", world.samples->connections});
  }
  return samples;
}

}  // namespace

std::optional<PassProbation> passed_probation(const World& world, const Deployment& current,
                                              Instant now) {
  const Duration probation = world.book.of(current.service).probation;
  if (!is_watched(current) || current.health_check_passed || current.rollback_dispatched ||
      now < *current.deployed_at + probation || !is_stable(world, current)) {
    return std::nullopt;
  }
  const auto events = static_cast<std::int64_t>(recent_errors(world, current.id));
  return PassProbation{
      current.id,
      {{"evidence", std::string{events > 0 ? "events" : "silence"}},
       {"recent_errors", events},
       {"errors_per_minute", errors_per_minute(world, current.id, limits::rate_window)},
       {"limit_recent_errors", static_cast<std::int64_t>(limits::healthy_events)},
       {"probation_seconds", in_seconds(probation)}}};
}

RomanEvent story_of(const PassProbation& passed, const Deployment& deployment) {
  RomanEvent event =
      story_about(deployment, "deployment_verified", deployment.version + " passed its probation");
  event.metadata.insert(event.metadata.end(), passed.details.begin(), passed.details.end());
  return event;
}

std::optional<TakeSnapshot> due_snapshot(const World& world, const Deployment& deployment,
                                         Instant now) {
  if (deployment.status == DeploymentStatus::pending) {
    if (deployment.announced || deployment.rollback_from) {
      return std::nullopt;
    }
    return TakeSnapshot{deployment.id, SnapshotType::pre_deployment, samples_of(world, deployment)};
  }
  if (!is_watched(deployment) || deployment.seen || !deployment.deployed_at ||
      now - *deployment.deployed_at > limits::arrival_age_max) {
    return std::nullopt;
  }
  return TakeSnapshot{deployment.id, SnapshotType::post_deployment, samples_of(world, deployment)};
}

RomanEvent story_of_arrival(const Deployment& deployment) {
  return story_about(deployment, "deployment_seen",
                     deployment.version + " serves " + deployment.service.environment + "/" +
                         deployment.service.name);
}

RomanEvent story_of_redeployment(const Deployment& deployment) {
  RomanEvent event = story_about(deployment, "warning",
                                 deployment.version + " was rolled back before, and serves again");
  event.severity = "warning";
  return event;
}

}  // namespace rollbackd::rules
