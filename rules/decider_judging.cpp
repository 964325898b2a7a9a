// The part of the decider that looks at services and says what is to be said about them.

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
  return event;
}

std::string joined(const std::vector<Reason>& reasons) {
  std::string text;
  for (const Reason reason : reasons) {
    text += (text.empty() ? "" : ", ") + std::string{name_of(reason)};
  }
  return text;
}

}  // namespace

// Both maps have the same order, so that the next state is nearly always the one at hand.
void Decider::judge_everybody(Instant now, Output& output) {
  auto state = world_.services.begin();
  for (const auto& [service, line] : world_.deployments.lines()) {
    state = world_.services.try_emplace(state, service);
    judge_line(service, line, state->second, now, output);
    ++state;
  }
}

void Decider::judge_service(const Service& service, Instant now, Output& output) {
  judge_line(service, world_.deployments.of(service), world_.services[service], now, output);
}

void Decider::judge_line(const Service& service, const Deployments::Line& line, ServiceState& state,
                         Instant now, Output& output) {
  if (!can_judge(now) || state.rebuilding) {
    return;
  }
  const Deployment* current = Deployments::at(line, now);
  if (current == nullptr || !is_watched(*current)) {
    return;
  }
  if (state.judged != current->id) {
    state.judged = current->id;
    state.above_since.clear();
    state.firing.clear();
    state.warned.clear();
    state.told.clear();
  }
  const auto firing = firing_rows(world_, *current, state, now);
  warn(*current, state, firing, now, output);
  const Verdict verdict = judge(world_, *current, firing, executions_.contains(service), now);
  if (verdict.ruling == Ruling::quiet) {
    look_at_probation(*current, now, output);
  } else {
    tell(*current, state, verdict, now, output);
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
  }
  state.last_fired = second;
  if (verdict.reasons == state.told || (verdict.ruling != Ruling::roll_back && has_much_to_say())) {
    return;
  }
  const bool shared = is_shared(trigger.signal) && verdict.reasons.front() == Reason::not_to_blame;
  const Deployment* newest = shared ? newest_current(world_, now) : &current;
  state.told = verdict.reasons;
  state.told_as = verdict.ruling;
  for (const Reason reason : verdict.reasons) {
    output.explanations.push_back({current.service, current.id, reason, trigger.name,
                                   verdict.reading.measured, trigger.above});
  }
  if (verdict.ruling == Ruling::held) {
    RomanEvent event =
        story_about(current, verdict.reading, "rollback_held",
                    reason_text(verdict.reading) + "; held: " + joined(verdict.reasons));
    event.metadata.push_back({"reasons", joined(verdict.reasons)});
    send({std::move(event)}, {}, {}, output);
  } else if (verdict.ruling == Ruling::suppressed && shared && newest != nullptr &&
             newest->id == current.id) {
    RomanEvent event = story_about(current, verdict.reading, "warning",
                                   reason_text(verdict.reading) + "; not this deployment's fault");
    event.metadata.push_back({"reasons", joined(verdict.reasons)});
    send({std::move(event)}, {}, {}, output);
  } else if (verdict.ruling == Ruling::rejected || verdict.ruling == Ruling::roll_back) {
    Rollback rollback = propose(world_, current, now, last_commit_);
    cite(rollback, verdict.reading);
    rollback.validation = verdict.validation;
    if (verdict.ruling == Ruling::rejected) {
      reject(std::move(rollback), now, output);
    } else {
      start(std::move(rollback), output);
    }
  }
}

void Decider::reject(Rollback proposed, Instant now, Output& output) {
  refuse(proposed, now);
  RomanEvent told = story_of(proposed, "rollback_rejected", "error",
                             "Rejected: " + joined(proposed.validation.violated()));
  told.metadata.push_back({"reasons", joined(proposed.validation.violated())});
  send({PutRollback{proposed, true}, story_of_validation(proposed), std::move(told),
        Alert{AlertKind::rejected, proposed}},
       {}, {}, output);
}

void Decider::start(Rollback rollback, Output& output) {
  const Service service = rollback.service;
  auto [place, is_new] = executions_.emplace(service, Execution::decided(std::move(rollback)));
  INVARIANT(is_new);
  NextMove opening = place->second.opening();
  send(std::move(opening.entries), std::move(opening.then), {service, {}, {}}, output);
}

void Decider::look_at_probation(const Deployment& current, Instant now, Output& output) {
  if (executions_.contains(current.service) || verified_.contains(current.id)) {
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
    return State::rolling_back;
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
  const Instant now = instant_of(world_.windows.now());
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
