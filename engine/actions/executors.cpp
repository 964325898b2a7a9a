#include "engine/actions/executors.hpp"

#include <utility>

#include "engine/fail_point.hpp"
#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

// Between a dispatch that the gate could not decide, or that a stop prevented, and the next.
constexpr rules::Duration ask_again_after = rules::seconds{1};

}  // namespace

Executors::Executors(std::vector<Executor*> executors, Gate& gate, Inbox& inbox, Log& log)
    : executors_{std::move(executors)}, gate_{gate}, inbox_{inbox}, log_{log} {}

Executor* Executors::executor_named(const std::string& name) const {
  for (Executor* executor : executors_) {
    if (executor->name() == name) {
      return executor;
    }
  }
  return nullptr;
}

void Executors::deploy(const rules::Deploy& deploy) {
  if (executor_named(deploy.executor) == nullptr) {
    answer(deploy.event, rules::DeployOutcome::not_started,
           "this version knows no executor '" + deploy.executor +
               "'; set rollback.executor to command, github or webhook");
    return;
  }
  if (!at_gate_.emplace(deploy.event, deploy).second) {
    log_.error("deploy_asked_twice", {{"event_id", deploy.event.text()}});
    return;
  }
  fail_point("before_gate");
  gate_.ask([this, event = deploy.event](const GateAnswer& answer) { passed(event, answer); });
}

void Executors::passed(const rules::EventId& event, const GateAnswer& answered) {
  const auto waiting = at_gate_.find(event);
  INVARIANT(waiting != at_gate_.end());
  const rules::Deploy deploy = std::move(waiting->second);
  at_gate_.erase(waiting);
  switch (answered.verdict) {
    case GateAnswer::Verdict::not_leading:
      // Nobody waits for it while another daemon leads, which goes on from the claim. But this one
      // may lead again by now, and has listed it as running: it would wait for this end for ever.
      log_.warning("dispatch_prevented", {{"event_id", event.text()}, {"why", answered.detail}});
      inbox_.post(rules::DeployEnded{event, rules::DeployOutcome::refused, answered.detail,
                                     ask_again_after});
      return;
    case GateAnswer::Verdict::unreadable:
      answer(event, rules::DeployOutcome::refused,
             "the pause could not be read right before the dispatch: " + answered.detail);
      return;
    case GateAnswer::Verdict::paused:
      if (!deploy.through_pause) {
        inbox_.post(rules::DeployEnded{event, rules::DeployOutcome::not_started, answered.detail,
                                       rules::Duration{0}, rules::Reason::paused});
        return;
      }
      break;
    case GateAnswer::Verdict::open:
      break;
  }
  if (stopping_) {
    answer(event, rules::DeployOutcome::refused, "rollbackd is stopping and starts nothing new");
    return;
  }
  fail_point("after_gate");
  executor_named(deploy.executor)->deploy(deploy, answered.until);
}

void Executors::answer(const rules::EventId& event, rules::DeployOutcome outcome,
                       std::string detail) {
  log_.error("deploy_not_started", {{"event_id", event.text()}, {"detail", detail}});
  inbox_.post(rules::DeployEnded{
      event, outcome, std::move(detail),
      outcome == rules::DeployOutcome::refused ? ask_again_after : rules::Duration{0}});
}

void Executors::follow(const rules::FollowDeploy& wanted) {
  if (Executor* executor = executor_named(wanted.executor)) {
    executor->follow(wanted);
  } else {
    answer(wanted.event, rules::DeployOutcome::unknown,
           "this version knows no executor '" + wanted.executor + "'");
  }
}

void Executors::cancel(const rules::CancelDeploy& wanted) {
  if (Executor* executor = executor_named(wanted.executor)) {
    executor->cancel(wanted);
  }
}

std::vector<rules::EventId> Executors::running() const {
  std::vector<rules::EventId> all;
  for (const auto& [event, deploy] : at_gate_) {
    all.push_back(event);
  }
  for (const Executor* executor : executors_) {
    const auto own = executor->running();
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

std::size_t Executors::lost_with_us() const {
  std::size_t count = at_gate_.size();
  for (const Executor* executor : executors_) {
    count += executor->lost_with_us();
  }
  return count;
}

}  // namespace rollbackd::engine
