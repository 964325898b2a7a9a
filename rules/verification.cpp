#include "rules/verification.hpp"

#include "rules/invariant.hpp"
#include "rules/limits.hpp"

namespace rollbackd::rules {
namespace {

// A rollback trigger that fires on the replacement's own events.
std::optional<Reading> own_trigger(const World& world, const Deployment& replacement) {
  const DeploymentMeasurements own{world, replacement.id};
  for (const Reading& reading : rows_above(world.book.of(replacement.service).triggers, own)) {
    if (reading.trigger->action == TriggerAction::rollback &&
        is_of_events(reading.trigger->signal) && is_firing(world, replacement, *reading.trigger)) {
      return reading;
    }
  }
  return std::nullopt;
}

// Whether the row that caused the rollback still holds, by name; a person's request has none.
bool cause_holds(const World& world, const Rollback& rollback) {
  const DeploymentMeasurements own{world, rollback.replacement};
  for (const Reading& reading : rows_above(world.book.of(rollback.service).triggers, own)) {
    if (reading.trigger->name == rollback.evidence.trigger) {
      return true;
    }
  }
  return false;
}

Fields findings(const World& world, const Rollback& rollback, Second window) {
  const std::uint64_t events = recent_errors(world, rollback.replacement);
  return {{"evidence", std::string{events > 0 ? "events" : "silence"}},
          {"errors_per_minute", errors_per_minute(world, rollback.replacement, window)},
          {"recent_errors", static_cast<std::int64_t>(events)},
          {"window_seconds", window}};
}

}  // namespace

Verification verify(const World& world, const Rollback& rollback, std::optional<bool> health_url,
                    Instant now) {
  INVARIANT(rollback.serving_from.has_value());
  const Policy& policy = world.book.of(rollback.service);
  const Second window = policy.verify_window;
  const Second served = world.windows.now() - second_of(*rollback.serving_from);
  const auto state = world.services.find(rollback.service);
  const bool rebuilding = state != world.services.end() && state->second.rebuilding;
  if (!world.complete || rebuilding || now < *rollback.serving_from) {
    return {};
  }
  const Deployment* replacement = world.deployments.find(rollback.replacement);
  const auto fired = replacement == nullptr ? std::nullopt : own_trigger(world, *replacement);
  if (fired) {
    return {Health::unhealthy, "Still unhealthy: " + reason_text(*fired),
            findings(world, rollback, window)};
  }
  // The second at hand is not over yet: a whole window has passed when its seconds have.
  if (served < window || now - *rollback.serving_from < seconds{window}) {
    return {};
  }
  const double rate = errors_per_minute(world, rollback.replacement, window);
  const bool last = served >= window * limits::verify_windows_max;
  const bool stable = replacement != nullptr && is_stable(world, *replacement);
  const bool quiet =
      (rate < policy.verify_healthy_below && !cause_holds(world, rollback)) || (last && stable);
  if (quiet && (!policy.verify_health_url || health_url == true)) {
    return {Health::healthy, {}, findings(world, rollback, window)};
  }
  const bool patient = served < window * limits::verify_windows_max + limits::health_url_patience;
  if (quiet && !health_url && patient) {
    return {Health::ask_health_url, {}, {}};
  }
  if (!last) {
    return {};
  }
  const std::string why =
      quiet ? "health_url does not answer 2xx"
            : number_text(rate) + " errors/minute after " + std::to_string(served) + " seconds";
  return {Health::unhealthy, "Still unhealthy: " + why, findings(world, rollback, window)};
}

}  // namespace rollbackd::rules
