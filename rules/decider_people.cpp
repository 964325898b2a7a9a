// The part of the decider that answers people.

#include <algorithm>
#include <utility>

#include "rules/decider.hpp"
#include "rules/guards.hpp"
#include "rules/limits.hpp"
#include "rules/preconditions.hpp"
#include "rules/proposal.hpp"
#include "rules/story.hpp"

namespace rollbackd::rules {
namespace {

std::string cut(const std::string& text) { return text.substr(0, limits::detail_text_max); }

std::string somebody(const std::string& by) { return by.empty() ? "a person" : by; }

bool contains(const std::vector<Reason>& reasons, Reason reason) {
  return std::find(reasons.begin(), reasons.end(), reason) != reasons.end();
}

Answer::Kind refusal_of(const Validation& validation) {
  const auto violated = validation.violated();
  return contains(violated, Reason::under_way)   ? Answer::Kind::under_way
         : contains(violated, Reason::no_target) ? Answer::Kind::no_target
                                                 : Answer::Kind::rejected;
}

RomanEvent story_about_all(std::string type, std::string severity, std::string text) {
  RomanEvent event;
  event.event_type = std::move(type);
  event.severity = std::move(severity);
  event.description = std::move(text);
  return event;
}

bool is_told(const Pause& pause, const Pause& told) {
  return pause == told || (!pause.on && !told.on);
}

}  // namespace

// What forbids to act, and what is under way, has to be known; measurements need not be.
bool Decider::can_answer() const {
  return world_.journal_known && world_.control && world_.had_windows;
}

void Decider::answer(RequestId request, Answer::Kind kind, std::optional<Rollback> rollback,
                     Output& output) const {
  output.answers.push_back(
      {request, kind, std::move(rollback), world_.control ? world_.control->pause : Pause{}});
}

template <class Request>
void Decider::postpone(const Service& service, const Request& request, Output& output) {
  if (postponed_.size() >= limits::requests_postponed_max) {
    return answer(request.request, Answer::Kind::unavailable, {}, output);
  }
  postponed_.push_back({service, request});
}

void Decider::refuse_postponed(Output& output) {
  for (const Postponed& postponed : std::exchange(postponed_, {})) {
    const auto number =
        std::visit([](const auto& known) { return known.request; }, postponed.request);
    answer(number, Answer::Kind::unavailable, {}, output);
  }
}

// Without `confirm`, without guards: a person knows more than a counter. The pause, the laws and
// the preconditions hold all the same.
void Decider::on(const ManualRequest& request, Instant now, Output& output) {
  const Deployment* deployment = world_.deployments.find(request.deployment);
  if (!can_answer() || (deployment == nullptr && !world_.complete)) {
    return answer(request.request, Answer::Kind::unavailable, {}, output);
  }
  if (deployment == nullptr) {
    return answer(request.request, Answer::Kind::unknown_deployment, {}, output);
  }
  if (is_paused(world_) && !contains(request.overrides, Reason::paused)) {
    return answer(request.request, Answer::Kind::paused, {}, output);
  }
  const auto active = executions_.find(deployment->service);
  const bool takes_over = active != executions_.end() && active->second.is_proposal() &&
                          active->second.rollback().deployment == request.deployment;
  if (takes_over && active->second.is_committing()) {
    return postpone(deployment->service, request, output);
  }
  const bool under_way = active != executions_.end() && !takes_over;
  Rollback rollback = propose(world_, *deployment, now, last_commit_);
  rollback.type = TriggerType::manual;
  rollback.reason = cut(request.reason);
  rollback.initiated_by = request.initiated_by;
  rollback.token = request.sender.token;
  rollback.revert_migrations = request.revert_migrations;
  rollback.overrides = request.overrides;
  std::erase_if(rollback.overrides, [](Reason reason) { return !may_be_overridden(reason); });
  rollback.validation =
      validate(world_, {*deployment, false, under_way, request.revert_migrations}, now);
  set_aside(rollback.validation, rollback.overrides, somebody(request.initiated_by));
  if (!rollback.validation.compliant()) {
    const Answer::Kind kind = refusal_of(rollback.validation);
    if (!request.dry_run) {
      rollback = reject(std::move(rollback), now, output);
    }
    return answer(request.request, kind, under_way ? active->second.rollback() : rollback, output);
  }
  if (request.dry_run) {
    return answer(request.request, Answer::Kind::dry_run, std::move(rollback), output);
  }
  if (takes_over) {
    const Said said{request.initiated_by, rollback.reason, now, request.sender.token};
    approve(active->second,
            {said, rollback.validation, rollback.target, rollback.initiated_by, rollback.overrides,
             rollback.revert_migrations, rollback.token},
            now, output);
    rollback = active->second.rollback();
  } else {
    start(rollback, output);
  }
  answer(request.request, Answer::Kind::accepted, std::move(rollback), output);
}

void Decider::approve(Execution& execution, Approval approval, Instant now, Output& output) {
  const Service service = execution.rollback().service;
  NextMove move = execution.approve(std::move(approval), now);
  note_standing(service);
  send(std::move(move.entries), std::move(move.then), {service, {}, {}}, output);
}

void Decider::on(const ApproveRequest& request, Instant now, Output& output) {
  if (!can_answer()) {
    return answer(request.request, Answer::Kind::unavailable, {}, output);
  }
  Execution* execution = execution_of(request.event);
  if (execution == nullptr) {
    return answer(request.request, Answer::Kind::unknown_event, {}, output);
  }
  if (execution->is_committing()) {
    return postpone(execution->rollback().service, request, output);
  }
  Rollback rollback = execution->rollback();
  const Deployment* deployment = world_.deployments.find(rollback.deployment);
  if (!execution->is_proposal()) {
    return answer(request.request, Answer::Kind::not_waiting, std::move(rollback), output);
  }
  if (deployment == nullptr) {
    return answer(request.request, Answer::Kind::unavailable, {}, output);
  }
  if (is_paused(world_)) {
    return answer(request.request, Answer::Kind::paused, std::move(rollback), output);
  }
  rollback.validation = validate(world_, {*deployment, false, false}, now);
  if (!rollback.validation.compliant()) {
    RomanEvent told = story_of_validation(rollback);
    told.metadata.push_back({"asked_by", somebody(request.by)});
    add_said(told, {request.by, cut(request.reason), now, request.sender.token});
    send({std::move(told)}, {}, {}, output);
    return answer(request.request, refusal_of(rollback.validation), std::move(rollback), output);
  }
  approve(*execution,
          {{request.by, cut(request.reason), now, request.sender.token},
           rollback.validation,
           target_from(world_, *deployment),
           rollback.initiated_by,
           {},
           false,
           rollback.token},
          now, output);
  answer(request.request, Answer::Kind::accepted, execution->rollback(), output);
}

void Decider::on(const AbortRequest& request, Instant now, Output& output) {
  if (!world_.journal_known) {
    return answer(request.request, Answer::Kind::unavailable, {}, output);
  }
  Execution* execution = execution_of(request.event);
  if (execution == nullptr) {
    return answer(request.request, Answer::Kind::unknown_event, {}, output);
  }
  if (execution->is_committing()) {
    return postpone(execution->rollback().service, request, output);
  }
  if (execution->is_dispatched()) {
    return answer(request.request, Answer::Kind::dispatched, execution->rollback(), output);
  }
  execution->abort({request.by, cut(request.reason), now, request.sender.token});
  drive(Service{execution->rollback().service}, now, output);
  answer(request.request, Answer::Kind::accepted, execution->rollback(), output);
}

// It counts in memory at once when it stops things; that it ends, only when it is committed.
void Decider::on(const PauseRequest& request, Instant now, Output& output) {
  if (!world_.journal_known || !world_.control) {
    return answer(request.request, Answer::Kind::unavailable, {}, output);
  }
  const Pause pause{request.on, request.by, cut(request.reason), now};
  Sent sent;
  sent.pauses = request.on;
  sent.resumes = !request.on;
  send({SetPause{pause}}, {}, std::move(sent), output);
  own_pause_.reset();
  if (request.on) {
    world_.control->pause = pause;
    own_pause_ = OwnPause{pause};
  }
  pause_asked_ = {pause, request.sender.token};
  output.answers.push_back({request.request, Answer::Kind::accepted, {}, pause});
}

void Decider::on(const CloseBreakerRequest& request, Instant now, Output& output) {
  if (!world_.journal_known || !world_.control) {
    return answer(request.request, Answer::Kind::unavailable, {}, output);
  }
  if (!is_breaker_open(world_, request.environment)) {
    return answer(request.request, Answer::Kind::no_breaker, {}, output);
  }
  const Said said{request.by, cut(request.reason), now, request.sender.token};
  RomanEvent told =
      story_about_all("breaker_closed", "info",
                      "The breaker of " + request.environment + " was closed by " +
                          somebody(said.by) + (said.reason.empty() ? "" : ": " + said.reason));
  told.service.environment = request.environment;
  told.metadata = {{"environment", request.environment}};
  add_said(told, said);
  send({CloseBreaker{request.environment, said}, std::move(told)}, {}, {}, output);
  world_.breakers_opened.erase(request.environment);
  world_.breakers_closed[request.environment] = now;
  std::erase_if(world_.control->breakers,
                [&](const Breaker& breaker) { return breaker.environment == request.environment; });
  answer(request.request, Answer::Kind::accepted, {}, output);
}

void Decider::believe_in_own_pause() {
  if (!own_pause_) {
    return;
  }
  if (!world_.control->pause.on) {
    world_.control->pause = own_pause_->pause;
  }
  if (own_pause_->is_committed) {
    own_pause_.reset();
  }
}

// The pause is told when it is read, whoever made it: anybody may, with plain SQL.
void Decider::look_at_control(Instant now, Output& output) {
  std::erase_if(world_.breakers_opened, [&](const auto& opened) {
    const auto& all = world_.control->breakers;
    const bool is_read = std::any_of(all.begin(), all.end(), [&](const Breaker& breaker) {
      return breaker.environment == opened.first;
    });
    return is_read || now - opened.second > limits::breaker_settles;
  });
  const Pause& pause = world_.control->pause;
  if (!world_.journal_known || !pause_told_) {
    // Whoever leads tells it; and what was there before the start has been told.
    pause_told_ = is_standby_ || !pause_told_ ? pause : pause_told_;
    return;
  }
  if (is_telling_pause_ || is_told(pause, *pause_told_)) {
    return;
  }
  const std::string who = somebody(pause.by) + (pause.reason.empty() ? "" : ": " + pause.reason);
  RomanEvent told = story_about_all(pause.on ? "pause" : "resume", pause.on ? "warning" : "info",
                                    (pause.on ? "Paused by " : "Resumed by ") + who);
  const bool is_known = pause_asked_ && pause_asked_->first == pause;
  add_said(told, {pause.by, pause.reason, now, is_known ? pause_asked_->second : ""});
  std::vector<JournalEntry> entries;
  if (pause.on) {
    Alert alert{AlertKind::paused, {}, told.description};
    alert.rollback.reason = pause.reason;
    alert.rollback.decided_at = pause.since.value_or(now);
    entries.emplace_back(std::move(alert));
  }
  entries.insert(entries.begin(), std::move(told));
  is_telling_pause_ = true;
  send(std::move(entries), {}, {{}, {}, {}, {}, {}, pause}, output);
}

}  // namespace rollbackd::rules
