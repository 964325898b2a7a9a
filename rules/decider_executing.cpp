// The part of the decider that drives rollbacks, and what becomes of their runs after them.

#include <algorithm>

#include "rules/decider.hpp"
#include "rules/guards.hpp"
#include "rules/invariant.hpp"
#include "rules/limits.hpp"

namespace rollbackd::rules {

std::optional<Instant> Decider::wake_at() const {
  std::optional<Instant> earliest;
  const auto want = [&earliest](std::optional<Instant> wanted) {
    if (wanted && (!earliest || *wanted < *earliest)) {
      earliest = wanted;
    }
  };
  for (const auto& [service, execution] : executions_) {
    want(execution.wake_at(world_, now_));
  }
  for (const auto& [event, run] : late_runs_) {
    want(run.wake_at());
  }
  return earliest;
}

void Decider::on(const JournalRead& journal, Instant now, Output& output) {
  if (!sent_.empty()) {
    return;  // it was asked for twice, and what is on its way is younger than this answer
  }
  executions_.clear();
  late_runs_.clear();
  remember(journal, now);
  for (const Rollback& rollback : journal.active) {
    const Unclaimed* answers = unclaimed_of(rollback);
    Execution execution = Execution::resumed(rollback, is_running(journal, rollback, answers));
    give(execution, answers, now);
    executions_.emplace(rollback.service, std::move(execution));
  }
  for (const Rollback& rollback : journal.followed) {
    LateRun run{rollback};
    give(run, unclaimed_of(rollback), now);
    late_runs_.emplace(rollback.id, std::move(run));
  }
  unclaimed_.clear();
  for (const auto& [service, state] : world_.services) {
    note_standing(service);
  }
  world_.journal_known = true;
  for (const auto& [service, line] : world_.deployments.lines()) {
    for (const Deployment* deployment : line) {
      welcome(*deployment, now, output);
    }
  }
  drive_all(now, output);
}

// What the journal says of the past.
void Decider::remember(const JournalRead& journal, Instant now) {
  is_standby_ = false;
  world_.claims = journal.claims;
  for (auto& [service, state] : world_.services) {
    state.latch.reset();
    state.automatic_ended_at.reset();
    if (state.told == std::vector{Reason::not_leader}) {
      state.told.clear();
    }
  }
  for (const ServiceHistory& history : journal.histories) {
    ServiceState& state = world_.services[history.service];
    state.latch = history.latch;
    state.automatic_ended_at = history.automatic_ended_at;
    const bool nobody_judged = state.judged == DeploymentId{};
    if (history.rejection && state.told.empty() &&
        (nobody_judged || state.judged == history.rejection->deployment)) {
      state.judged = history.rejection->deployment;
      state.told = history.rejection->reasons;
      state.told_as = Ruling::rejected;
      state.last_fired = second_of(now);
    }
  }
}

// An answer is about the claim it was given to: about a later one it says nothing.
const Decider::Unclaimed* Decider::unclaimed_of(const Rollback& rollback) const {
  const auto found = unclaimed_.find(rollback.id);
  const bool fits = found != unclaimed_.end() && rollback.claimed_at &&
                    found->second.claims.value_or(rollback.claims) == rollback.claims;
  return fits ? &found->second : nullptr;
}

bool Decider::is_running(const JournalRead& journal, const Rollback& rollback,
                         const Unclaimed* answers) {
  return (answers != nullptr && answers->ended) ||
         std::find(journal.running.begin(), journal.running.end(), rollback.id) !=
             journal.running.end();
}

void Decider::give(Execution& execution, const Unclaimed* answers, Instant /*now*/) {
  if (answers != nullptr && answers->started) {
    execution.take(*answers->started);
  }
  if (answers != nullptr && answers->ended) {
    execution.take(*answers->ended);
  }
}

void Decider::give(LateRun& run, const Unclaimed* answers, Instant now) {
  if (answers != nullptr && answers->started) {
    run.take(*answers->started);
  }
  if (answers != nullptr && answers->ended) {
    run.take(*answers->ended, now);
  }
}

void Decider::on(const CommitDone& done, Instant now, Output& output) {
  const auto found = sent_.find(done.id);
  if (found == sent_.end()) {
    return;  // it was dropped with everything else when an earlier one failed
  }
  const Sent sent = found->second;
  sent_.erase(found);
  if (!done.committed) {
    forget_journal(output);
    return;
  }
  if (sent.arrival) {
    world_.deployments.mark_snapshot(*sent.arrival, true, sent.utilisation,
                                     sent.previous_unhealthy);
  }
  if (sent.pauses && own_pause_) {
    own_pause_->is_committed = true;
  }
  if (sent.resumes && world_.control) {
    world_.control->pause.on = false;
  }
  if (sent.pause) {
    pause_told_ = sent.pause;
    is_telling_pause_ = false;
  }
  if (sent.execution) {
    executions_.at(*sent.execution).committed();
    const bool judge_anew = conclude(*sent.execution);
    take_up_postponed(*sent.execution, now, output);  // who stops it comes before its next step
    drive(*sent.execution, now, output);
    drive_late_runs(now, output);
    if (judge_anew) {
      judge_service(*sent.execution, now, output);
    }
  }
  if (sent.late_run) {
    LateRun& run = late_runs_.at(*sent.late_run);
    run.committed();
    if (run.is_done()) {
      late_runs_.erase(*sent.late_run);
    } else {
      drive_late_runs(now, output);
    }
  }
}

void Decider::on(const LeadershipLost& /*lost*/, Instant /*now*/, Output& output) {
  is_standby_ = true;
  forget_journal(output);
}

void Decider::forget_journal(Output& output) {
  refuse_postponed(output);
  for (const auto& [service, execution] : executions_) {
    keep_answers(execution);
  }
  for (const auto& [event, run] : late_runs_) {
    keep_answers(run);
  }
  executions_.clear();
  late_runs_.clear();
  sent_.clear();
  verified_.clear();
  snapshots_asked_.clear();
  world_.journal_known = false;
  // What was told may not have been written; the journal says what was.
  for (auto& [service, state] : world_.services) {
    state.told.clear();
    state.active_told.reset();
    note_standing(service);
  }
  world_.breakers_opened.clear();
  is_telling_pause_ = false;
  own_pause_.reset();
}

// Which rollback of the service is in progress, as its neighbours see it.
void Decider::note_standing(const Service& service) {
  const auto active = executions_.find(service);
  const bool is = active != executions_.end() &&
                  active->second.rollback().status == RollbackStatus::in_progress;
  ServiceState& state = world_.services[service];
  Standing standing = state.standing;
  standing.rolling_back = is ? std::optional{active->second.rollback().id} : std::nullopt;
  standing.automatic = is && active->second.rollback().type == TriggerType::automatic;
  world_.environments.change(service.environment, state.standing, standing);
}

// What an executor said is said once, and may not have been written.
template <class Run>
void Decider::keep_answers(const Run& run) {
  if ((run.started() || run.ended()) && unclaimed_.size() < limits::unclaimed_deploys_max) {
    unclaimed_[run.rollback().id] = {run.rollback().claims, run.started(), run.ended()};
  }
}

// A rollback whose end is committed becomes part of its service's past.
bool Decider::conclude(const Service& service) {
  const auto found = executions_.find(service);
  INVARIANT(found != executions_.end());
  const Execution& execution = found->second;
  const Rollback& rollback = execution.rollback();
  if (execution.is_dispatched() || execution.was_dispatched_before()) {
    world_.deployments.mark_rollback_dispatched(
        rollback.deployment, execution.is_dispatched() || *execution.was_dispatched_before());
    note_claim(world_, rollback, now_);
  }
  if (!execution.is_done()) {
    note_standing(service);
    return false;
  }
  ServiceState& state = world_.services[service];
  const bool automatic = rollback.type == TriggerType::automatic;
  if (rollback.status == RollbackStatus::failed || (automatic && rollback.aborted)) {
    state.latch = Latch{rollback.id, rollback.deployment};
  }
  if (automatic && rollback.claimed_at) {
    state.automatic_ended_at = rollback.completed_at;
  }
  if (rollback.followed_until) {
    late_runs_.emplace(rollback.id, LateRun{rollback});
  }
  const bool was_proposal = rollback.asked && !rollback.approved;
  executions_.erase(found);
  note_standing(service);
  return was_proposal;
}

void Decider::on(const SnapshotTaken& answer, Instant now, Output& output) {
  if (answer.type == SnapshotType::pre_deployment && !answer.snapshot_id.empty()) {
    world_.deployments.mark_snapshot(answer.deployment, false, std::nullopt);
  }
  if (answer.type != SnapshotType::pre_rollback) {
    return;
  }
  for (auto& [service, execution] : executions_) {
    if (execution.rollback().deployment == answer.deployment) {
      execution.take(answer);
      drive(service, now, output);
      return;
    }
  }
}

void Decider::on(const DeployStarted& answer, Instant now, Output& output) {
  if (Execution* execution = execution_of(answer.event)) {
    execution->take(answer);
    drive(Service{execution->rollback().service}, now, output);
  } else if (const auto run = late_runs_.find(answer.event); run != late_runs_.end()) {
    run->second.take(answer);
    drive_late_runs(now, output);
  } else if (Unclaimed* kept = room_for(answer.event)) {
    kept->started = answer;
  }
}

void Decider::on(const DeployEnded& answer, Instant now, Output& output) {
  // The last look saw a pause that the next one will tell of.
  if (answer.forbade == Reason::paused && world_.control) {
    world_.control->pause.on = true;
  }
  if (Execution* execution = execution_of(answer.event)) {
    execution->take(answer);
    drive(Service{execution->rollback().service}, now, output);
  } else if (const auto run = late_runs_.find(answer.event); run != late_runs_.end()) {
    run->second.take(answer, now);
    drive_late_runs(now, output);
  } else if (Unclaimed* kept = room_for(answer.event)) {
    kept->ended = answer;
  }
}

// While the journal is known, an answer that nobody waits for is about what is over.
Decider::Unclaimed* Decider::room_for(const EventId& event) {
  const bool has_room =
      unclaimed_.contains(event) || unclaimed_.size() < limits::unclaimed_deploys_max;
  return !world_.journal_known && has_room ? &unclaimed_[event] : nullptr;
}

void Decider::on(const HealthUrlAnswered& answer, Instant now, Output& output) {
  if (Execution* execution = execution_of(answer.event)) {
    execution->take(answer);
    drive(Service{execution->rollback().service}, now, output);
  }
}

void Decider::on(const MigrationsReverted& answer, Instant now, Output& output) {
  if (Execution* execution = execution_of(answer.event)) {
    execution->take(answer);
    drive(Service{execution->rollback().service}, now, output);
  }
}

void Decider::on(const ControlRead& control, Instant now, Output& output) {
  const auto open_before = world_.control ? world_.control->breakers : std::vector<Breaker>{};
  const bool alerts_changed = !world_.control || world_.control->alerts != control.alerts;
  world_.control = control;
  believe_in_own_pause();
  for (const Breaker& breaker : open_before) {
    if (!is_breaker_open(world_, breaker.environment)) {
      world_.breakers_closed[breaker.environment] = now;
    }
  }
  look_at_control(now, output);
  for (auto& [service, execution] : executions_) {
    execution.take(*world_.control);
  }
  if (alerts_changed) {
    auto changed = take_alerts(world_, control.alerts);
    std::erase_if(
        changed, [this](const Service& service) { return world_.deployments.of(service).empty(); });
    judge_services(changed, now, output);
  }
  drive_all(now, output);
}

void Decider::on(const Tick& /*tick*/, Instant now, Output& output) { drive_all(now, output); }

void Decider::drive_all(Instant now, Output& output) {
  for (const auto& [service, execution] : executions_) {
    drive(service, now, output);
  }
  drive_late_runs(now, output);
}

void Decider::drive(const Service& service, Instant now, Output& output) {
  const auto found = executions_.find(service);
  if (found == executions_.end()) {
    return;
  }
  while (auto move = found->second.next(world_, now)) {
    if (carry_out(std::move(*move), {service, {}, {}, {}}, output)) {
      return;
    }
  }
}

void Decider::drive_late_runs(Instant now, Output& output) {
  for (auto& [event, run] : late_runs_) {
    const auto active = executions_.find(run.rollback().service);
    const bool busy = active != executions_.end() &&
                      active->second.rollback().deployment == run.rollback().deployment;
    while (auto move = run.next(world_, busy, now)) {
      if (carry_out(std::move(*move), {{}, {}, {}, event}, output)) {
        break;
      }
    }
  }
}

// Whether it has to be waited for.
bool Decider::carry_out(NextMove move, Sent sent, Output& output) {
  if (move.entries.empty()) {
    output.actions.insert(output.actions.end(), move.then.begin(), move.then.end());
    return false;
  }
  send(std::move(move.entries), std::move(move.then), std::move(sent), output);
  return true;
}

Execution* Decider::execution_of(const EventId& event) {
  for (auto& [service, execution] : executions_) {
    if (execution.rollback().id == event) {
      return &execution;
    }
  }
  return nullptr;
}

}  // namespace rollbackd::rules
