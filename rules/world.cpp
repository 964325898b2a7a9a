#include "rules/world.hpp"

#include <algorithm>
#include <utility>

#include "rules/invariant.hpp"
#include "rules/limits.hpp"

namespace rollbackd::rules {

bool is_current(const World& world, Instant now) {
  return world.complete && second_of(now) - world.windows.now() <= limits::windows_lag_max;
}

double errors_per_minute(const World& world, const DeploymentId& deployment, Second window) {
  const auto count = static_cast<double>(world.windows.count(deployment, window));
  return count * 60.0 / static_cast<double>(window);
}

std::uint64_t recent_errors(const World& world, const DeploymentId& deployment) {
  return world.windows.count(deployment, limits::healthy_window);
}

std::optional<double> response_time_p95(const World& world, const DeploymentId& deployment,
                                        Second window) {
  const Deployment* known = world.deployments.find(deployment);
  if (known == nullptr || !world.response_times_complete ||
      world.response_times_counted < world.deployments.last_move(known->service)) {
    return std::nullopt;
  }
  return world.response_times.p95(deployment, window);
}

std::optional<double> DeploymentMeasurements::measure(Signal signal, Second window) const {
  switch (signal) {
    case Signal::errors_per_minute:
      return errors_per_minute(world_, deployment_, window);
    case Signal::errors:
      return static_cast<double>(world_.windows.count(deployment_, window));
    case Signal::connection_utilisation:
      return world_.samples ? std::optional{world_.samples->connection_utilisation} : std::nullopt;
    case Signal::memory_utilisation:
      return world_.samples ? world_.samples->memory_utilisation : std::nullopt;
    case Signal::response_time_p95:
      return response_time_p95(world_, deployment_, window);
    case Signal::alert:
      break;  // it has a name instead of a window: measure_alert()
  }
  UNREACHABLE("Signal");
}

// Alerts that have not been read yet are not known.
std::optional<double> DeploymentMeasurements::measure_alert(std::string_view name) const {
  const Deployment* known = world_.deployments.find(deployment_);
  if (known == nullptr || !world_.control) {
    return std::nullopt;
  }
  return alert_since(world_, known->service, name) ? 1 : 0;
}

std::optional<Instant> alert_since(const World& world, const Service& service,
                                   std::string_view name) {
  const auto of_service = world.alerts.find(service);
  if (of_service == world.alerts.end()) {
    return std::nullopt;
  }
  const auto found = of_service->second.find(name);
  return found == of_service->second.end() ? std::nullopt : std::optional{found->second};
}

std::set<Service> take_alerts(World& world, const std::vector<FiringAlert>& alerts) {
  auto before = std::exchange(world.alerts, {});
  for (const FiringAlert& alert : alerts) {
    auto& of_service = world.alerts[alert.service];
    const auto [known, is_new] = of_service.emplace(alert.name, alert.since);
    known->second = std::min(known->second, alert.since);
  }
  std::set<Service> changed;
  for (const auto& [service, own] : world.alerts) {
    const auto old = before.find(service);
    if (old == before.end() || old->second != own) {
      changed.insert(service);
    }
    if (old != before.end()) {
      before.erase(old);
    }
  }
  for (const auto& [service, gone] : before) {
    changed.insert(service);
  }
  return changed;
}

bool is_healthy(const World& world, const DeploymentId& deployment) {
  return recent_errors(world, deployment) < limits::healthy_events;
}

std::optional<Reading> first_rollback_row(const World& world, const Deployment& deployment) {
  const DeploymentMeasurements measurements{world, deployment.id};
  for (const Reading& reading :
       rows_above(world.book.of(deployment.service).triggers, measurements)) {
    if (reading.trigger->action == TriggerAction::rollback) {
      return reading;
    }
  }
  return std::nullopt;
}

bool is_firing(const World& world, const Deployment& deployment, const Trigger& trigger) {
  if (trigger.held_for == Duration{0}) {
    return true;
  }
  const auto state = world.services.find(deployment.service);
  return state != world.services.end() && state->second.judged == deployment.id &&
         state->second.firing.contains(trigger.name);
}

std::optional<Reading> first_firing_row(const World& world, const Deployment& deployment) {
  const DeploymentMeasurements measurements{world, deployment.id};
  for (const Reading& reading :
       rows_above(world.book.of(deployment.service).triggers, measurements)) {
    if (reading.trigger->action == TriggerAction::rollback &&
        is_firing(world, deployment, *reading.trigger)) {
      return reading;
    }
  }
  return std::nullopt;
}

bool is_stable(const World& world, const Deployment& deployment) {
  return is_healthy(world, deployment.id) && !first_rollback_row(world, deployment);
}

}  // namespace rollbackd::rules
