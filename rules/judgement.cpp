#include "rules/judgement.hpp"

#include "rules/guards.hpp"
#include "rules/limits.hpp"
#include "rules/preconditions.hpp"

namespace rollbackd::rules {
namespace {

// Why it is told, or proposed, and not done; empty: it is done.
std::vector<Reason> instead_of_rollback(const World& world, const Deployment& current,
                                        Instant now) {
  const Policy& policy = world.book.of(current.service);
  if (policy.mode == Mode::shadow) {
    return {Reason::shadow};
  }
  std::vector<Reason> reasons;
  if (policy.mode == Mode::ask) {
    reasons.push_back(Reason::ask);
  }
  if (now - *current.deployed_at > policy.max_age) {
    reasons.push_back(Reason::too_old);
  }
  return reasons;
}

}  // namespace

Second silence_of(const Trigger& trigger) {
  return trigger.window > 0 ? trigger.window : limits::rate_window;
}

std::vector<Reading> firing_rows(const World& world, const Deployment& current, ServiceState& state,
                                 Instant now) {
  const DeploymentMeasurements measurements{world, current.id};
  const auto above = rows_above(world.book.of(current.service).triggers, measurements);
  std::map<std::string, Instant> since;
  std::vector<Reading> firing;
  state.firing.clear();
  for (const Reading& reading : above) {
    const auto known = state.above_since.find(reading.trigger->name);
    const Instant start = known == state.above_since.end() ? now : known->second;
    since.emplace(reading.trigger->name, start);
    if (now - start >= reading.trigger->held_for) {
      firing.push_back(reading);
      state.firing.insert(reading.trigger->name);
    }
  }
  state.above_since = std::move(since);
  return firing;
}

Verdict judge(const World& world, const Deployment& current, const std::vector<Reading>& firing,
              bool active, Instant now) {
  Verdict verdict;
  for (const Reading& reading : firing) {
    if (reading.trigger->action != TriggerAction::rollback) {
      continue;
    }
    if (active) {
      return {Ruling::suppressed, reading, {Reason::active}, {}};
    }
    if (is_shared(reading.trigger->signal) && !is_to_blame(world, current, *reading.trigger, now)) {
      // A later row may still speak of the deployment's own events.
      if (verdict.ruling == Ruling::quiet) {
        verdict = {Ruling::suppressed, reading, {Reason::not_to_blame}, {}};
      }
      continue;
    }
    verdict = {Ruling::roll_back, reading, {Reason::rollback}, {}};
    break;
  }
  if (verdict.ruling != Ruling::roll_back) {
    return verdict;
  }
  if (auto waiting = holds(world, current, now); !waiting.empty()) {
    verdict.ruling = Ruling::held;
    verdict.reasons = std::move(waiting);
    return verdict;
  }
  verdict.validation = validate(world, {current, true, false}, now);
  if (!verdict.validation.compliant()) {
    verdict.ruling = Ruling::rejected;
    verdict.reasons = verdict.validation.violated();
    return verdict;
  }
  if (auto instead = instead_of_rollback(world, current, now); !instead.empty()) {
    verdict.ruling = instead.front() == Reason::shadow ? Ruling::shadowed : Ruling::proposed;
    verdict.reasons = std::move(instead);
  }
  return verdict;
}

}  // namespace rollbackd::rules
