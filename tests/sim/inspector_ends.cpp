// The part of the inspector that looks at what became of things.

#include <algorithm>

#include "tests/sim/inspector.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::DeploymentStatus;
using rules::Rollback;
using rules::RollbackStatus;

// A rollback that has to come does so within this long, when nothing is broken.
constexpr rules::Duration promptly = rules::seconds{15};

}  // namespace

void Inspector::look_at_end_of(const Rollback& rollback) {
  const Watched& watched = watched_[rollback.id];
  const std::string name = "the rollback of " + name_of_row(rollback.deployment);
  for (const rules::Step& step : rollback.steps) {
    if (step.status == rules::StepStatus::pending ||
        step.status == rules::StepStatus::in_progress) {
      find(name + " is over and one of its steps is not");
    }
  }
  if (rollback.step(rules::StepName::record_result).status != rules::StepStatus::success) {
    find(name + " ended without record_result");
  }
  if (!rollback.completed_at || *rollback.completed_at < rollback.decided_at) {
    find(name + " ended before it began");
  }
  const bool only_asked = rollback.asked && !rollback.approved;
  if (watched.initiated != (only_asked ? 0 : 1) || watched.ended != 1 ||
      watched.proposed != (rollback.asked ? 1 : 0)) {
    find(name + " had " + std::to_string(watched.initiated) + " alerts of its beginning and " +
         std::to_string(watched.ended) + " of its end");
  }
  const auto& runs = world_.runs_of(rollback.id);
  if (!rollback.claimed_at &&
      std::any_of(runs.begin(), runs.end(), [](const SimRun& run) { return !run.certain_no; })) {
    find(name + " was dispatched, and its claim taken back");
  }
  if (rollback.claimed_at && !watched.marked) {
    find(name + " was claimed and its row never marked");
  }
  if (watched.marked) {
    look_at_rows_of(rollback, watched);
  }
}

// Either it was rolled back and the replacement serves, or everything is as it was.
void Inspector::look_at_rows_of(const Rollback& rollback, const Watched& watched) {
  const Deployment& bad = world_.deployments().at(rollback.deployment);
  const auto found = world_.deployments().find(rollback.replacement);
  if (found == world_.deployments().end()) {
    find("the rollback of " + name_of_row(rollback.deployment) + " has no replacement");
    return;
  }
  const Deployment& replacement = found->second;
  const bool serves = rollback.serving_from.has_value();
  const std::string name = "after the rollback of " + name_of_row(rollback.deployment) + ", " +
                           std::string{rules::name_of(rollback.status)} + ", ";
  const bool gave_way = rollback.status == RollbackStatus::aborted && rollback.claimed_at;
  const bool deployed =
      rollback.step(rules::StepName::await_deploy).status == rules::StepStatus::success;
  if (serves != (rollback.status == RollbackStatus::success ||
                 rollback.ended_by == rules::Reason::still_unhealthy || (gave_way && deployed))) {
    find(name + "its end does not fit whether the replacement serves");
  }
  if (serves) {
    if (bad.status != DeploymentStatus::rolled_back || bad.health_check_passed) {
      find(name + "the bad row is not rolled_back");
    }
    if (replacement.status != DeploymentStatus::success ||
        replacement.deployed_at != rollback.serving_from) {
      find(name + "the replacement does not serve");
    }
    return;
  }
  const bool is_back = bad.status == watched.old_status &&
                       bad.health_check_passed == watched.old_health_check_passed;
  if (gave_way ? bad.status != DeploymentStatus::rolled_back : !is_back) {
    find(name + "the bad row does not have the status it should have");
  }
  if (replacement.status != DeploymentStatus::failed) {
    find(name + "the replacement is not failed");
  }
}

void Inspector::look_at_counts() {
  const rules::Second t = world_.loop().as_of();
  const auto minute = world_.database().recount(t, 60);
  const auto five = world_.database().recount(t, 300);
  for (const auto& [id, row] : world_.deployments()) {
    const auto view = world_.loop().check(id);
    if (!view) {
      find(name_of_row(id) + " is not known");
    } else if (view->recent_errors != count_of(five, id) ||
               view->error_rate_per_minute != static_cast<double>(count_of(minute, id)) ||
               view->healthy != (count_of(five, id) < 5)) {
      find("of " + name_of_row(id) + " memory has " + std::to_string(view->recent_errors) +
           " events in five minutes, the table " + std::to_string(count_of(five, id)));
    }
  }
  look_at_neighbours(minute, five);
  look_at_neglect(minute, five);
}

// Whether anything that a person can see in the tables makes an automatic rollback wait.
bool Inspector::is_held(const Deployment& current) const {
  const rules::Instant now = world_.time();
  const rules::Policy& policy = policies_.of(current.service);
  if (is_guarded(current)) {
    return true;
  }
  for (const auto& [id, r] : world_.rollbacks()) {
    const bool ours = r.service == current.service;
    if (ours && !r.is_over()) {
      return true;
    }
    if (ours && r.claimed_at && r.type == rules::TriggerType::automatic &&
        now < *r.completed_at + policy.cooldown) {
      return true;
    }
  }
  if (const auto failed = last_failed(current.service)) {
    const Deployment& before = world_.deployments().at(failed->deployment);
    if (current.rollback_from ||
        std::pair{current.deployed_at, current.row} <= std::pair{before.deployed_at, before.row}) {
      return true;
    }
  }
  for (const auto& [id, d] : world_.deployments()) {
    if (d.service == current.service && d.row > current.row && !d.rollback_from &&
        d.status == DeploymentStatus::failed && d.completed_at &&
        now - *d.completed_at < rules::minutes{10}) {
      return true;
    }
  }
  return false;
}

bool Inspector::must_be_rolled_back(const Deployment& current) const {
  return rules::is_watched(current) && !current.rollback_from && !is_held(current) &&
         world_.database().target_of(current) != nullptr;
}

void Inspector::look_at_neglect(const CountByDeployment& minute, const CountByDeployment& five) {
  for (const rules::Service& service : services_) {
    const Deployment* current = world_.database().at(service, world_.time());
    const bool plain = policies_.of(service).triggers == rules::default_triggers();
    const bool fires = current != nullptr && plain &&
                       (count_of(minute, current->id) > 5 || count_of(five, current->id) > 50);
    if (!fires || !must_be_rolled_back(*current)) {
      neglected_since_.erase(service);
      continue;
    }
    const rules::Instant since = neglected_since_.emplace(service, world_.time()).first->second;
    if (world_.time() - std::max(since, last_fault_) > promptly) {
      find(name_of_row(current->id) + " fires, nothing hinders its rollback, and none comes");
      neglected_since_.erase(service);
    }
  }
}

// Only of a run that really succeeded late the rows may be changed, and then they have to be.
void Inspector::look_at_settling(const rules::SettleLate& settled) {
  for (const auto& [id, r] : world_.rollbacks()) {
    const auto& runs = world_.runs_of(id);
    const bool succeeded = !runs.empty() && runs.back().ended &&
                           runs.back().ends_with == rules::DeployOutcome::succeeded;
    if (r.replacement == settled.replacement && (!r.is_over() || !succeeded)) {
      find("the rows of " + name_of_row(r.deployment) + " are settled, and nothing succeeded");
    }
  }
}

void Inspector::look_at_followed(const Rollback& rollback) {
  const std::string name = "the run of the rollback of " + name_of_row(rollback.deployment);
  if (rollback.late_outcome.empty()) {
    find(name + " is followed for ever");
    return;
  }
  const auto& runs = world_.runs_of(rollback.id);
  const bool succeeded = !runs.empty() && runs.back().ended &&
                         runs.back().ends_with == rules::DeployOutcome::succeeded &&
                         runs.back().ends_at < *rollback.followed_until - rules::minutes{5};
  const auto replacement = world_.deployments().find(rollback.replacement);
  if (succeeded && (rollback.late_outcome != "succeeded" ||
                    replacement->second.status != DeploymentStatus::success)) {
    find(name + " succeeded late, and the rows do not say so");
  }
}

void Inspector::look_at_the_end() {
  if (!open_.empty() || world_.loop().active_rollbacks() != 0) {
    find("a rollback is still active at the end");
  }
  if (!world_.is_quiet()) {
    find("the daemon has not come to rest");
    return;
  }
  look_at_counts();
  for (const auto& [id, rollback] : world_.rollbacks()) {
    if (rollback.followed_until) {
      look_at_followed(rollback);
    }
  }
  for (const rules::Service& service : services_) {
    const Deployment* current = world_.database().at(service, world_.time());
    if (current == nullptr || !rules::is_watched(*current)) {
      continue;
    }
    if (!current->health_check_passed && !current->rollback_dispatched) {
      find(name_of_row(current->id) + " has been quiet for long and has not passed its probation");
    }
    if (!current->seen && world_.time() - *current->deployed_at < rules::minutes{50}) {
      find(name_of_row(current->id) + " has no post_deployment snapshot");
    }
  }
}

}  // namespace rollbackd::tests
