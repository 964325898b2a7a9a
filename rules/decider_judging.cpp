// The part of the decider that looks at services and says what is to be said about them.

#include <algorithm>

#include "rules/decider.hpp"
#include "rules/guards.hpp"
#include "rules/invariant.hpp"
#include "rules/limits.hpp"
#include "rules/preconditions.hpp"
#include "rules/probation.hpp"
#include "rules/proposal.hpp"
#include "rules/story.hpp"

namespace rollbackd::rules {
namespace {

RomanEvent story_about(const Deployment& current, const Reading& reading, std::string type,
                       std::string text) {
  RomanEvent event;
  event.event_type = std::move(type);
  event.severity = "warning";
  event.description = std::move(text);
  event.deployment = current.id;
  event.service = current.service;
  event.metadata = {{"trigger", reading.trigger->name},
                    {"measured", reading.measured},
                    {"limit", reading.trigger->above},
                    {"version", current.version}};
  if (!reading.trigger->alert.empty()) {
    event.metadata.push_back({"alert", reading.trigger->alert});
  }
  return event;
}

bool is_rollback(const Reading& reading) {
  return reading.trigger->action == TriggerAction::rollback;
}

// The end of the rollback that a latch, and the cooldown with it, comes from was alerted. A
// cooldown alone comes from one that succeeded: nobody knows of the next bad deployment yet.
bool is_known_to_people(const std::vector<Reason>& reasons) {
  return reasons == std::vector{Reason::latched} ||
         reasons == std::vector{Reason::latched, Reason::cooldown};
}

}  // namespace

// Who fires is found out for all before anybody is judged: what the neighbours do counts. Both maps
// have the same order, so that the next state is nearly always the one at hand.
void Decider::judge_everybody(Instant now, Output& output) {
  std::vector<Sight> firing;
  auto state = world_.services.begin();
  for (const auto& [service, line] : world_.deployments.lines()) {
    state = world_.services.try_emplace(state, service);
    if (auto sight = look_at(service, line, state->second, now)) {
      if (sight->firing.empty()) {
        judge_sight(*sight, now, output);
      } else {
        firing.push_back(std::move(*sight));
      }
    }
    ++state;
  }
  for (const Sight& sight : firing) {
    judge_sight(sight, now, output);
  }
}

void Decider::judge_service(const Service& service, Instant now, Output& output) {
  judge_services({service}, now, output);
}

void Decider::judge_services(const std::set<Service>& services, Instant now, Output& output) {
  std::vector<Sight> seen;
  for (const Service& service : services) {
    auto sight = look_at(service, world_.deployments.of(service), world_.services[service], now);
    if (sight) {
      seen.push_back(std::move(*sight));
    }
  }
  for (const Sight& sight : seen) {
    judge_sight(sight, now, output);
  }
}

// Notes how the service stands. Nothing: there is nothing to judge.
std::optional<Decider::Sight> Decider::look_at(const Service& service,
                                               const Deployments::Line& line, ServiceState& state,
                                               Instant now) {
  if (!is_current(world_, now) || state.rebuilding) {
    return std::nullopt;
  }
  const Deployment* current = Deployments::at(line, now);
  Standing standing = state.standing;
  standing.has_current = current != nullptr;
  if (current == nullptr) {
    standing.fires = false;
    world_.environments.change(service.environment, state.standing, standing);
    return std::nullopt;
  }
  if (state.judged != current->id) {
    state.judged = current->id;
    state.above_since.clear();
    state.firing.clear();
    state.warned.clear();
    state.told.clear();
    state.active_told.reset();
  }
  Sight sight{current, &state, firing_rows(world_, *current, state, now)};
  standing.fires =
      std::any_of(sight.firing.begin(), sight.firing.end(), [](const Reading& reading) {
        return is_rollback(reading) && is_of_events(reading.trigger->signal);
      });
  world_.environments.change(service.environment, state.standing, standing);
  return is_watched(*current) ? std::optional{std::move(sight)} : std::nullopt;
}

void Decider::judge_sight(const Sight& sight, Instant now, Output& output) {
  const Deployment& current = *sight.current;
  if (!can_judge(now)) {
    say_not_leader(sight, now, output);
    return;
  }
  warn(current, *sight.state, sight.firing, now, output);
  const Verdict verdict =
      judge(world_, current, sight.firing, executions_.contains(current.service), now);
  if (verdict.ruling == Ruling::quiet) {
    look_at_probation(current, now, output);
  } else if (world_.control) {
    tell(current, *sight.state, verdict, now, output);
  }
}

// A standby says what it sees, and that acting on it is another's business.
void Decider::say_not_leader(const Sight& sight, Instant now, Output& output) {
  const auto reading = std::find_if(sight.firing.begin(), sight.firing.end(), is_rollback);
  if (!is_standby_ || !world_.control || reading == sight.firing.end()) {
    return;
  }
  const std::vector<Reason> reasons{Reason::not_leader};
  ServiceState& state = *sight.state;
  const Second second = second_of(now);
  const bool is_told =
      state.told == reasons && second - state.last_fired <= silence_of(*reading->trigger);
  state.last_fired = second;
  if (!is_told) {
    state.told = reasons;
    state.told_as = Ruling::suppressed;
    output.explanations.push_back({sight.current->service, sight.current->id, reasons.front(),
                                   reading->trigger->name, reading->measured,
                                   reading->trigger->above});
  }
}

// What is everybody's is said once, at the newest deployment.
void Decider::warn(const Deployment& current, ServiceState& state,
                   const std::vector<Reading>& firing, Instant now, Output& output) {
  for (const Reading& reading : firing) {
    const Trigger& trigger = *reading.trigger;
    if (trigger.action != TriggerAction::warn) {
      continue;
    }
    const Deployment* newest = is_shared(trigger.signal) ? newest_current(world_, now) : &current;
    if (newest == nullptr || newest->id != current.id) {
      continue;
    }
    if (has_much_to_say()) {
      continue;
    }
    const Second second = second_of(now);
    const auto known = state.warned.find(trigger.name);
    const bool is_new = known == state.warned.end() || second - known->second > silence_of(trigger);
    state.warned[trigger.name] = second;
    if (is_new) {
      send({story_about(current, reading, "warning", reason_text(reading))}, {}, {}, output);
    }
  }
}

// Nobody is told the same thing twice while a trigger goes on firing.
void Decider::tell(const Deployment& current, ServiceState& state, const Verdict& verdict,
                   Instant now, Output& output) {
  const Trigger& trigger = *verdict.reading.trigger;
  const Second second = second_of(now);
  if (second - state.last_fired > silence_of(trigger)) {
    state.told.clear();
    state.active_told.reset();
  }
  state.last_fired = second;
  const auto explain = [&](Reason reason) {
    output.explanations.push_back({current.service, current.id, reason, trigger.name,
                                   verdict.reading.measured, trigger.above});
  };
  if (verdict.reasons == std::vector{Reason::active}) {
    // What was told before it began stays told: a proposal that expires is not made again.
    const EventId active = executions_.at(current.service).rollback().id;
    if (state.active_told != active) {
      state.active_told = active;
      explain(Reason::active);
    }
    return;
  }
  std::vector<Reason> reasons = verdict.reasons;
  const auto capped = std::find(reasons.begin(), reasons.end(), Reason::capped);
  if (capped != reasons.end() && !is_breaker_open(world_, current.service.environment) &&
      world_.book.of(current.service).mode != Mode::shadow) {
    open_breaker(current, verdict, now, output);
    reasons.insert(capped, Reason::breaker_open);
  }
  const bool acts = verdict.ruling == Ruling::roll_back;
  if (!acts && (reasons == state.told || has_much_to_say())) {
    return;
  }
  state.told = reasons;
  state.told_as = verdict.ruling;
  std::for_each(reasons.begin(), reasons.end(), explain);
  act(current, verdict, reasons, now, output);
}

void Decider::act(const Deployment& current, const Verdict& verdict,
                  const std::vector<Reason>& reasons, Instant now, Output& output) {
  if (verdict.ruling == Ruling::suppressed) {
    // What is everybody's is said once, at the newest deployment.
    const Deployment* newest = newest_current(world_, now);
    if (newest != nullptr && newest->id == current.id) {
      RomanEvent event =
          story_about(current, verdict.reading, "warning",
                      reason_text(verdict.reading) + "; not this deployment's fault");
      event.metadata.push_back({"reasons", joined(reasons)});
      send({std::move(event)}, {}, {}, output);
    }
    return;
  }
  const Policy& policy = world_.book.of(current.service);
  if (policy.mode == Mode::shadow) {
    return tell_shadow(current, verdict, reasons, now, output);
  }
  if (verdict.ruling == Ruling::held) {
    return hold(current, verdict, reasons, now, output);
  }
  Rollback rollback = propose(world_, current, now, last_commit_);
  cite(rollback, verdict.reading);
  rollback.validation = verdict.validation;
  if (verdict.ruling == Ruling::rejected) {
    reject(std::move(rollback), now, output);
    return;
  }
  if (verdict.ruling == Ruling::proposed) {
    wait_for_person(rollback, policy, now);
  }
  start(std::move(rollback), output);
}

// Whatever is decided, in the shadow it is only told, in one row.
void Decider::tell_shadow(const Deployment& current, const Verdict& verdict,
                          const std::vector<Reason>& reasons, Instant /*now*/, Output& output) {
  const auto target = target_from(world_, current);
  const std::string what =
      verdict.ruling == Ruling::held ? "would have to wait: " + joined(reasons)
      : verdict.ruling == Ruling::rejected
          ? "would be rejected: " + joined(reasons)
          : "would be rolled back to " + (target ? target->version : std::string{"none"});
  RomanEvent event = story_about(current, verdict.reading, "rollback_shadow",
                                 reason_text(verdict.reading) + "; " + what);
  event.metadata.push_back({"reasons", joined(reasons)});
  send({std::move(event)}, {}, {}, output);
}

void Decider::hold(const Deployment& current, const Verdict& verdict,
                   const std::vector<Reason>& reasons, Instant now, Output& output) {
  const std::string text = reason_text(verdict.reading) + "; held: " + joined(reasons);
  RomanEvent event = story_about(current, verdict.reading, "rollback_held", text);
  event.metadata.push_back({"reasons", joined(reasons)});
  std::vector<JournalEntry> entries{std::move(event)};
  if (!is_known_to_people(reasons)) {
    Alert alert{AlertKind::held, propose(world_, current, now, last_commit_), joined(reasons)};
    cite(alert.rollback, verdict.reading);
    entries.emplace_back(std::move(alert));
  }
  send(std::move(entries), {}, {}, output);
}

void Decider::open_breaker(const Deployment& current, const Verdict& verdict, Instant now,
                           Output& output) {
  const std::string& environment = current.service.environment;
  const std::string why = std::to_string(other_rollbacks(world_, current.service, now)) +
                          " automatic rollbacks of " + environment + " within an hour, and " +
                          current.service.name +
                          " would be the next: " + reason_text(verdict.reading);
  RomanEvent event = story_about(current, verdict.reading, "breaker_opened",
                                 "The breaker of " + environment + " is open: " + why);
  event.severity = "error";
  event.metadata.push_back({"environment", environment});
  Alert alert{AlertKind::breaker_opened, propose(world_, current, now, last_commit_), why};
  cite(alert.rollback, verdict.reading);
  world_.breakers_opened.emplace(environment, now);
  send({OpenBreaker{environment, why, now}, std::move(event), std::move(alert)}, {}, {}, output);
}

Rollback Decider::reject(Rollback proposed, Instant now, Output& output) {
  refuse(proposed, now);
  RomanEvent told = story_of(proposed, "rollback_rejected", "error",
                             "Rejected: " + joined(proposed.validation.violated()));
  told.metadata.push_back({"reasons", joined(proposed.validation.violated())});
  send({PutRollback{proposed, true}, story_of_validation(proposed), std::move(told),
        Alert{AlertKind::rejected, proposed}},
       {}, {}, output);
  return proposed;
}

void Decider::start(Rollback rollback, Output& output) {
  const Service service = rollback.service;
  const bool waits = rollback.status == RollbackStatus::pending;
  auto [place, is_new] =
      executions_.emplace(service, waits ? Execution::proposed(std::move(rollback))
                                         : Execution::decided(std::move(rollback)));
  INVARIANT(is_new);
  note_standing(service);
  NextMove opening = place->second.opening();
  send(std::move(opening.entries), std::move(opening.then), {service, {}, {}}, output);
}

void Decider::look_at_probation(const Deployment& current, Instant now, Output& output) {
  const auto active = executions_.find(current.service);
  if ((active != executions_.end() && !active->second.is_proposal()) ||
      verified_.contains(current.id)) {
    return;
  }
  if (const auto passed = passed_probation(world_, current, now)) {
    verified_.insert(current.id);
    send({*passed, story_of(*passed, current)}, {}, {}, output);
  }
}

State Decider::state_of(const Deployment& deployment, bool firing) const {
  const auto execution = executions_.find(deployment.service);
  if (execution != executions_.end() && execution->second.rollback().deployment == deployment.id) {
    return execution->second.is_proposal() ? State::proposed : State::rolling_back;
  }
  if (deployment.status == DeploymentStatus::rolled_back) {
    return State::rolled_back;
  }
  const auto state = world_.services.find(deployment.service);
  if (firing && state != world_.services.end() && state->second.judged == deployment.id) {
    if (state->second.told_as == Ruling::held) {
      return State::held;
    }
    if (state->second.told_as == Ruling::rejected) {
      return State::rejected;
    }
  }
  if (firing) {
    return State::firing;
  }
  return is_healthy(world_, deployment.id) ? State::healthy : State::watched;
}

std::optional<CheckView> Decider::check(const DeploymentId& id) const {
  const Deployment* deployment = world_.deployments.find(id);
  if (deployment == nullptr) {
    return std::nullopt;
  }
  const auto firing = first_firing_row(world_, *deployment);
  CheckView view;
  view.should_rollback = firing.has_value();
  view.reason = firing ? reason_text(*firing) : "System healthy";
  view.healthy = is_healthy(world_, id);
  view.error_rate_per_minute = errors_per_minute(world_, id, limits::rate_window);
  view.recent_errors = recent_errors(world_, id);
  if (world_.samples) {
    view.database_connections = world_.samples->connections;
    view.active_queries = world_.samples->active_queries;
    view.connection_utilisation = world_.samples->connection_utilisation;
  }
  view.state = state_of(*deployment, firing.has_value());
  view.as_of = world_.windows.now();
  return view;
}

std::vector<ServiceView> Decider::services() const {
  std::vector<ServiceView> views;
  views.reserve(world_.deployments.lines().size());
  // The windows are of whole seconds; a deployment is current from its own moment on.
  const Instant now = std::max(instant_of(world_.windows.now()), now_);
  for (const auto& [service, line] : world_.deployments.lines()) {
    const Deployment* current = Deployments::at(line, now);
    if (current == nullptr) {
      continue;
    }
    const bool firing = first_firing_row(world_, *current).has_value();
    views.push_back({service, current->id, current->version,
                     errors_per_minute(world_, current->id, limits::rate_window),
                     recent_errors(world_, current->id), state_of(*current, firing),
                     response_time_p95(world_, current->id, limits::response_time_window)});
  }
  return views;
}

}  // namespace rollbackd::rules
