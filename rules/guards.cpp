#include "rules/guards.hpp"

#include "rules/limits.hpp"

namespace rollbackd::rules {

bool is_latched(const World& world, const Latch& latch, const Deployment& current) {
  if (current.id == latch.deployment || current.rollback_from) {
    return true;
  }
  const Deployment* bad = world.deployments.find(latch.deployment);
  return bad != nullptr && !deployed_before(*bad, current);
}

std::vector<Reason> holds(const World& world, const Deployment& deployment, Instant now) {
  std::vector<Reason> found;
  const auto state = world.services.find(deployment.service);
  const Policy& policy = world.book.of(deployment.service);
  if (state != world.services.end()) {
    const ServiceState& past = state->second;
    if (past.latch && is_latched(world, *past.latch, deployment)) {
      found.push_back(Reason::latched);
    }
    if (past.automatic_ended_at && now < *past.automatic_ended_at + policy.cooldown) {
      found.push_back(Reason::cooldown);
    }
  }
  if (world.deployments.newer_failure(deployment, now - limits::failed_deploy_hold) != nullptr) {
    found.push_back(Reason::failed_deploy);
  }
  return found;
}

const Deployment* newest_current(const World& world, Instant now) {
  return world.deployments.newest_at(now);
}

bool is_to_blame(const World& world, const Deployment& deployment, const Trigger& trigger,
                 Instant now) {
  const Duration window = world.book.of(deployment.service).blame_window;
  const Deployment* newest = newest_current(world, now);
  if (newest == nullptr || newest->id != deployment.id || now - *deployment.deployed_at > window) {
    return false;
  }
  if (!deployment.utilisation_at_arrival || *deployment.utilisation_at_arrival > trigger.above) {
    return false;
  }
  return !world.deployments.others_deployed(deployment.service, now - window, now);
}

}  // namespace rollbackd::rules
