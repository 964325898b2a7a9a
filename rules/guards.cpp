#include "rules/guards.hpp"

#include <algorithm>

#include "rules/limits.hpp"

namespace rollbackd::rules {
namespace {

const Standing& standing_of(const World& world, const Service& service) {
  static const Standing none;
  const auto state = world.services.find(service);
  return state == world.services.end() ? none : state->second.standing;
}

// An alert that fires, and did so before the deployment came, is not the deployment's.
bool had_alert_before(const World& world, const Deployment& deployment) {
  const TriggerTable& table = world.book.of(deployment.service).triggers;
  return std::any_of(table.begin(), table.end(), [&](const Trigger& trigger) {
    if (trigger.signal != Signal::alert || trigger.action != TriggerAction::rollback) {
      return false;
    }
    const auto since = alert_since(world, deployment.service, trigger.alert);
    return since && deployment.deployed_at && *since < *deployment.deployed_at;
  });
}

// Before a replacement was the bad one: that says nothing.
bool is_unhealthy_before(const World& world, const Deployment& deployment) {
  if (deployment.rollback_from) {
    return false;
  }
  if (had_alert_before(world, deployment)) {
    return true;
  }
  return deployment.previous_unhealthy ? *deployment.previous_unhealthy
                                       : was_unhealthy_before(world, deployment).value_or(false);
}

// The windows tell of everything up to the end of their second.
bool is_stale(const World& world, const Policy& policy, Instant now) {
  return now - instant_of(world.windows.now() + 1) > policy.stale_after;
}

// Whether the trigger fired in one of the seconds (from - window, from]; of longer windows as many
// seconds count as memory has.
bool fired_before(const World& world, const DeploymentId& id, const Trigger& trigger, Second from) {
  if (!world.windows.has_events(id)) {
    return false;  // no threshold is below zero
  }
  const Second oldest = world.windows.oldest();
  const auto count_in = [&](Second at) {
    return at < oldest ? 0 : static_cast<std::int64_t>(world.windows.count_in(id, at));
  };
  const Second held = std::chrono::ceil<seconds>(trigger.held_for).count();
  const Second first = from - limits::unhealthy_before_window + 1;
  const Second begin = std::max(first - held, oldest);
  std::int64_t count = 0;
  for (Second at = begin - trigger.window; at < begin; ++at) {
    count += count_in(at);
  }
  Second above_for = -1;
  for (Second at = begin; at <= from; ++at) {
    count += count_in(at) - count_in(at - trigger.window);
    const auto events = static_cast<double>(count);
    const double measured = trigger.signal == Signal::errors
                                ? events
                                : events * 60.0 / static_cast<double>(trigger.window);
    above_for = measured > trigger.above ? above_for + 1 : -1;
    if (at >= first && above_for >= held) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool is_latched(const World& world, const Latch& latch, const Deployment& current) {
  if (current.id == latch.deployment || current.rollback_from) {
    return true;
  }
  const Deployment* bad = world.deployments.find(latch.deployment);
  return bad != nullptr && !deployed_before(*bad, current);
}

bool is_paused(const World& world) { return world.control && world.control->pause.on; }

bool is_breaker_open(const World& world, const std::string& environment) {
  if (world.breakers_opened.contains(environment)) {
    return true;
  }
  return world.control &&
         std::any_of(world.control->breakers.begin(), world.control->breakers.end(),
                     [&](const Breaker& breaker) { return breaker.environment == environment; });
}

std::size_t other_rollbacks(const World& world, const Service& service, Instant now) {
  const std::optional<EventId> own = standing_of(world, service).rolling_back;
  const auto& in_progress = world.environments.of(service.environment).automatic;
  std::size_t others = in_progress.size() - (own && in_progress.contains(*own) ? 1 : 0);
  const auto closed = world.breakers_closed.find(service.environment);
  for (const Claim& claim : world.claims) {
    const bool is_forgiven = closed != world.breakers_closed.end() && claim.at <= closed->second;
    if (claim.environment == service.environment && claim.event != own && !is_forgiven &&
        now < claim.at + limits::cap_window && !in_progress.contains(claim.event)) {
      ++others;
    }
  }
  return others;
}

void note_claim(World& world, const Rollback& rollback, Instant now) {
  std::erase_if(world.claims, [&](const Claim& claim) {
    return claim.event == rollback.id || claim.at + limits::cap_window <= now;
  });
  if (rollback.type == TriggerType::automatic && rollback.claimed_at) {
    world.claims.push_back({rollback.id, rollback.service.environment, *rollback.claimed_at});
  }
}

bool are_others_bad(const World& world, const Service& service) {
  const Environments::Tally& all = world.environments.of(service.environment);
  const Standing& own = standing_of(world, service);
  const std::size_t others = all.services - (own.has_current ? 1 : 0);
  const std::size_t bad = all.bad - (own.is_bad() ? 1 : 0);
  return bad >= limits::others_bad_min && 2 * bad >= others;
}

std::optional<bool> was_unhealthy_before(const World& world, const Deployment& deployment) {
  if (!world.complete || !deployment.deployed_at) {
    return std::nullopt;
  }
  // Of the second it was deployed in nobody knows which events were before.
  const Second last = second_of(*deployment.deployed_at) - 1;
  if (last > world.windows.now() ||
      last - limits::unhealthy_before_window + 1 < world.windows.oldest()) {
    return std::nullopt;
  }
  const Deployment* before = world.deployments.at(
      deployment.service, *deployment.deployed_at - Duration{1}, deployment.id);
  if (before == nullptr) {
    return false;
  }
  const TriggerTable& table = world.book.of(deployment.service).triggers;
  return std::any_of(table.begin(), table.end(), [&](const Trigger& trigger) {
    return trigger.action == TriggerAction::rollback && is_of_events(trigger.signal) &&
           fired_before(world, before->id, trigger, last);
  });
}

std::vector<Reason> holds(const World& world, const Deployment& deployment, Instant now) {
  const Policy& policy = world.book.of(deployment.service);
  const Service& service = deployment.service;
  const auto state = world.services.find(service);
  const ServiceState* past = state == world.services.end() ? nullptr : &state->second;
  std::vector<Reason> found;
  const auto look = [&found](bool applies, Reason reason) {
    if (applies) {
      found.push_back(reason);
    }
  };
  look(past != nullptr && past->latch && is_latched(world, *past->latch, deployment),
       Reason::latched);
  look(is_paused(world), Reason::paused);
  look(is_breaker_open(world, service.environment), Reason::breaker_open);
  look(other_rollbacks(world, service, now) >= static_cast<std::size_t>(policy.max_per_hour),
       Reason::capped);
  look(past != nullptr && past->automatic_ended_at &&
           now < *past->automatic_ended_at + policy.cooldown,
       Reason::cooldown);
  look(world.deployments.newer_failure(deployment, now - limits::failed_deploy_hold) != nullptr,
       Reason::failed_deploy);
  look(are_others_bad(world, service), Reason::others_bad);
  look(is_unhealthy_before(world, deployment), Reason::unhealthy_before);
  look(is_stale(world, policy, now), Reason::stale);
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
