#include "rules/decider.hpp"

#include <algorithm>

#include "rules/guards.hpp"
#include "rules/invariant.hpp"
#include "rules/limits.hpp"
#include "rules/probation.hpp"
#include "rules/proposal.hpp"
#include "rules/response_times_intake.hpp"
#include "rules/story.hpp"

namespace rollbackd::rules {

Decider::Decider(PolicyBook policies) : world_{std::move(policies)} {}

Output Decider::step(Instant now, const Input& input) {
  now_ = now;
  Output output;
  std::visit([&](const auto& known) { on(known, now, output); }, input);
  return output;
}

std::optional<Instant> Decider::wake_at() const {
  std::optional<Instant> earliest;
  for (const auto& [service, execution] : executions_) {
    const auto wanted = execution.wake_at(world_, now_);
    if (wanted && (!earliest || *wanted < *earliest)) {
      earliest = wanted;
    }
  }
  return earliest;
}

void Decider::on(const FeedBatch& batch, Instant now, Output& output) {
  after_intake(take_in(world_, batch), now, output);
}

void Decider::on(const FeedRebuilt& rebuilt, Instant now, Output& output) {
  after_intake(take_in(world_, rebuilt), now, output);
}

void Decider::on(const WindowsRecounted& recounted, Instant now, Output& output) {
  after_intake(take_in(world_, recounted), now, output);
}

void Decider::on(const AuditCounted& counted, Instant now, Output& output) {
  after_intake(take_in(world_, counted), now, output);
}

void Decider::on(const FeedLost& /*lost*/, Instant /*now*/, Output& /*output*/) {
  world_.complete = false;
}

void Decider::on(const JournalRead& journal, Instant now, Output& output) {
  if (!sent_.empty()) {
    return;  // it was asked for twice, and what is on its way is younger than this answer
  }
  executions_.clear();
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
  for (const Rollback& rollback : journal.active) {
    const auto ended = unclaimed_.find(rollback.id);
    const bool running = ended != unclaimed_.end() ||
                         std::find(journal.running.begin(), journal.running.end(), rollback.id) !=
                             journal.running.end();
    Execution execution = Execution::resumed(rollback, running);
    if (ended != unclaimed_.end()) {
      execution.take(ended->second);
    }
    executions_.emplace(rollback.service, std::move(execution));
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

void Decider::on(const CommitDone& done, Instant now, Output& output) {
  const auto found = sent_.find(done.id);
  if (found == sent_.end()) {
    return;  // it was dropped with everything else when an earlier one failed
  }
  const Sent sent = found->second;
  sent_.erase(found);
  if (!done.committed) {
    forget_journal();
    return;
  }
  if (sent.arrival) {
    world_.deployments.mark_snapshot(*sent.arrival, true, sent.utilisation,
                                     sent.previous_unhealthy);
  }
  if (sent.pause) {
    pause_told_ = sent.pause;
    is_telling_pause_ = false;
  }
  if (sent.execution) {
    executions_.at(*sent.execution).committed();
    const bool judge_anew = conclude(*sent.execution);
    drive(*sent.execution, now, output);
    if (judge_anew) {
      judge_service(*sent.execution, now, output);
    }
  }
}

void Decider::on(const LeadershipLost& /*lost*/, Instant /*now*/, Output& /*output*/) {
  is_standby_ = true;
  forget_journal();
}

void Decider::forget_journal() {
  executions_.clear();
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

// A rollback whose end is committed becomes part of its service's past.
bool Decider::conclude(const Service& service) {
  const auto found = executions_.find(service);
  INVARIANT(found != executions_.end());
  const Rollback& rollback = found->second.rollback();
  if (rollback.claimed_at) {
    world_.deployments.mark_rollback_dispatched(rollback.deployment);
    note_claim(world_, rollback, now_);
  }
  if (!found->second.is_done()) {
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
  const bool was_proposal = rollback.asked && !rollback.approved;
  executions_.erase(found);
  note_standing(service);
  return was_proposal;
}

void Decider::on(const Sampled& samples, Instant now, Output& output) {
  world_.samples = samples;
  if (const Deployment* newest = newest_current(world_, now)) {
    judge_service(Service{newest->service}, now, output);
  }
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
  }
}

void Decider::on(const DeployEnded& answer, Instant now, Output& output) {
  Execution* execution = execution_of(answer.event);
  if (execution == nullptr) {
    if (unclaimed_.size() < limits::unclaimed_deploys_max) {
      unclaimed_.insert_or_assign(answer.event, answer);
    }
    return;
  }
  execution->take(answer);
  drive(Service{execution->rollback().service}, now, output);
}

void Decider::on(const HealthUrlAnswered& answer, Instant now, Output& output) {
  if (Execution* execution = execution_of(answer.event)) {
    execution->take(answer);
    drive(Service{execution->rollback().service}, now, output);
  }
}

void Decider::on(const Tick& /*tick*/, Instant now, Output& output) { drive_all(now, output); }

// Nothing is judged here: a response time is looked at with the next second.
void Decider::on(const ResponseTimesRead& read, Instant /*now*/, Output& output) {
  output.response_times = take_in(world_, read);
}

void Decider::on(const ResponseTimesLost& /*lost*/, Instant /*now*/, Output& /*output*/) {
  world_.response_times_complete = false;
}

void Decider::on(const ControlRead& control, Instant now, Output& output) {
  world_.control = control;
  look_at_control(now, output);
}

void Decider::after_intake(const Intake& intake, Instant now, Output& output) {
  output.audit = intake.audit;
  world_.response_times.advance(world_.windows.now());
  if (world_.deployments.moves() > recount_asked_) {
    recount_asked_ = world_.deployments.moves();
    output.actions.emplace_back(RecountResponseTimes{recount_asked_});
  }
  output.actions.insert(output.actions.end(), intake.rebuilds.begin(), intake.rebuilds.end());
  for (const DeploymentId& id : intake.deployments) {
    if (const Deployment* deployment = world_.deployments.find(id)) {
      welcome(*deployment, now, output);
      if (deployment->health_check_passed || !is_watched(*deployment)) {
        verified_.erase(id);
      }
    }
  }
  if (intake.second_passed) {
    judge_everybody(now, output);
  } else {
    judge_services(intake.touched, now, output);
  }
  drive_all(now, output);
}

void Decider::welcome(const Deployment& deployment, Instant now, Output& output) {
  if (!world_.journal_known) {
    return;
  }
  auto due = due_snapshot(world_, deployment, now);
  if (!due || !snapshots_asked_.emplace(due->deployment, due->type).second) {
    return;
  }
  if (due->type == SnapshotType::pre_deployment) {
    output.actions.emplace_back(*due);
    return;
  }
  const auto utilisation =
      world_.samples ? std::optional{world_.samples->connection_utilisation} : std::nullopt;
  const auto unhealthy = was_unhealthy_before(world_, deployment);
  if (unhealthy) {
    due->samples.push_back({"previous_unhealthy", *unhealthy});
  }
  std::vector<JournalEntry> entries{story_of_arrival(deployment)};
  const Deployment* before =
      deployment.rollback_from ? nullptr : world_.deployments.rolled_back_before(deployment);
  if (before != nullptr) {
    RomanEvent told = story_of_redeployment(deployment);
    Alert alert{AlertKind::redeployed, propose(world_, deployment, now, last_commit_),
                told.description};
    alert.rollback.reason = told.description;
    entries.emplace_back(std::move(told));
    entries.emplace_back(std::move(alert));
  }
  send(std::move(entries), {*due}, {{}, deployment.id, utilisation, unhealthy}, output);
}

void Decider::drive_all(Instant now, Output& output) {
  for (const auto& [service, execution] : executions_) {
    drive(service, now, output);
  }
}

void Decider::drive(const Service& service, Instant now, Output& output) {
  const auto found = executions_.find(service);
  if (found == executions_.end()) {
    return;
  }
  auto move = found->second.next(world_, now);
  if (!move) {
    return;
  }
  if (move->entries.empty()) {
    output.actions.insert(output.actions.end(), move->then.begin(), move->then.end());
    return;
  }
  send(std::move(move->entries), std::move(move->then), {service, {}, {}}, output);
}

void Decider::send(std::vector<JournalEntry> entries, std::vector<Action> then, Sent sent,
                   Output& output) {
  const CommitId id = ++last_commit_;
  sent_.emplace(id, std::move(sent));
  output.commits.push_back({id, std::move(entries), std::move(then)});
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
