#include "tests/support/sim_database.hpp"

#include <algorithm>
#include <utility>

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::DeploymentStatus;
using rules::Instant;
using rules::Rollback;

bool is_newer(const Deployment& a, const Deployment& b) {
  return std::pair{a.deployed_at, a.row} > std::pair{b.deployed_at, b.row};
}

bool is_done(DeploymentStatus status) {
  return status == DeploymentStatus::success || status == DeploymentStatus::failed;
}

// Events of one moment are one group.
void add_to(std::vector<rules::EventGroup>& groups, const SimEvent& event) {
  if (!groups.empty() && groups.back().at == event.timestamp &&
      groups.back().service == event.service && groups.back().deployment == event.deployment) {
    ++groups.back().seconds.front().n;
    return;
  }
  groups.push_back(
      {event.deployment, event.service, event.timestamp, {{rules::second_of(event.timestamp), 1}}});
}

}  // namespace

rules::DeploymentId SimDatabase::deploy(Instant now, const rules::Service& service,
                                        const std::string& version, const std::string& commit,
                                        DeploymentStatus status) {
  Deployment d;
  d.row = ++last_row_;
  d.id = numbered_id(static_cast<std::uint64_t>(d.row));
  d.service = service;
  d.version = version;
  d.git_commit = commit;
  d.status = status;
  d.deployed_at = now;
  if (is_done(status)) {
    d.completed_at = now;
  }
  deployments_.emplace(d.id, d);
  changed(d.id);
  return d.id;
}

void SimDatabase::set_status(Instant now, const rules::DeploymentId& id, DeploymentStatus status) {
  const Deployment& known = deployments_.at(id);
  const Rollback* active = active_of(known.service);
  if (known.status == status || known.status == DeploymentStatus::rolled_back ||
      (active != nullptr && active->deployment == id &&
       active->status == rules::RollbackStatus::in_progress)) {
    return;
  }
  Deployment& d = changed(id);
  if (d.status == DeploymentStatus::pending) {
    d.deployed_at = now;
  }
  if (is_done(status)) {
    d.completed_at = now;
  }
  d.status = status;
}

// A snapshot is a row of its own: it rings no bell, and the deployment's row says so when it is
// next looked at.
void SimDatabase::keep_snapshot(const rules::SnapshotTaken& taken,
                                std::optional<double> utilisation,
                                std::optional<bool> previous_unhealthy) {
  const auto row = deployments_.find(taken.deployment);
  if (row == deployments_.end()) {
    return;
  }
  if (taken.type == rules::SnapshotType::pre_deployment) {
    row->second.announced = true;
  } else if (taken.type == rules::SnapshotType::post_deployment && !row->second.seen) {
    row->second.seen = true;
    row->second.utilisation_at_arrival = utilisation;
    row->second.previous_unhealthy = previous_unhealthy;
  }
}

Deployment& SimDatabase::changed(const rules::DeploymentId& id) {
  rows_changed_.insert(id);
  return deployments_.at(id);
}

const Rollback* SimDatabase::active_of(const rules::Service& service) const {
  for (const auto& [id, rollback] : rollbacks_) {
    if (rollback.service == service && !rollback.is_over()) {
      return &rollback;
    }
  }
  return nullptr;
}

bool SimDatabase::accepts(const rules::Commit& commit) const {
  for (const rules::JournalEntry& entry : commit.entries) {
    if (const auto* put = std::get_if<rules::PutRollback>(&entry)) {
      const auto known = rollbacks_.find(put->rollback.id);
      const bool second = !put->rollback.is_over() && active_of(put->rollback.service) != nullptr;
      const bool fits = put->is_new ? known == rollbacks_.end() && !second
                                    : known != rollbacks_.end() && !known->second.is_over();
      if (!fits) {
        return false;
      }
    } else if (const auto* amended = std::get_if<rules::AmendRollback>(&entry)) {
      const auto known = rollbacks_.find(amended->rollback.id);
      if (known == rollbacks_.end() || !known->second.is_over()) {
        return false;
      }
    } else if (const auto* mark = std::get_if<rules::MarkRolledBack>(&entry)) {
      if (deployments_.at(mark->deployment).status != mark->from ||
          deployments_.contains(mark->replacement) || !deployments_.contains(mark->target)) {
        return false;
      }
    } else if (const auto* restored = std::get_if<rules::RestoreDeployment>(&entry)) {
      if (!deployments_.contains(restored->replacement)) {
        return false;
      }
    } else if (const auto* serve = std::get_if<rules::PutInService>(&entry)) {
      if (!deployments_.contains(serve->replacement)) {
        return false;
      }
    }
  }
  return true;
}

void SimDatabase::apply(const rules::JournalEntry& entry, Instant now) {
  if (const auto* put = std::get_if<rules::PutRollback>(&entry)) {
    if (rollbacks_.insert_or_assign(put->rollback.id, put->rollback).second) {
      in_order_.push_back(put->rollback.id);
    }
    deployments_.at(put->rollback.deployment).rollback_dispatched =
        was_dispatched(put->rollback.deployment);
  } else if (const auto* amended = std::get_if<rules::AmendRollback>(&entry)) {
    rollbacks_.at(amended->rollback.id) = amended->rollback;
  } else if (const auto* settled = std::get_if<rules::SettleLate>(&entry)) {
    const DeploymentStatus bad_status = deployments_.at(settled->deployment).status;
    const bool fits = bad_status != DeploymentStatus::rolled_back &&
                      bad_status != DeploymentStatus::pending &&
                      deployments_.at(settled->replacement).status == DeploymentStatus::failed;
    if (fits) {
      Deployment& bad = changed(settled->deployment);
      bad.status = DeploymentStatus::rolled_back;
      bad.health_check_passed = false;
      serve(settled->replacement, settled->deployed_at, now);
    }
  } else if (const auto* marked = std::get_if<rules::MarkRolledBack>(&entry)) {
    mark(*marked, now);
  } else if (const auto* restored = std::get_if<rules::RestoreDeployment>(&entry)) {
    restore(*restored, now);
  } else if (const auto* served = std::get_if<rules::PutInService>(&entry)) {
    serve(served->replacement, served->deployed_at, now);
  } else if (const auto* passed = std::get_if<rules::PassProbation>(&entry)) {
    const auto& known = deployments_.at(passed->deployment);
    if (rules::is_watched(known)) {
      Deployment& row = changed(passed->deployment);
      row.health_check_passed = true;
      if (row.status == DeploymentStatus::in_progress) {
        row.status = DeploymentStatus::success;
        row.completed_at = now;
      }
    }
  } else {
    apply_control(entry);
  }
}

void SimDatabase::apply_control(const rules::JournalEntry& entry) {
  const auto close = [this](const std::string& environment) {
    std::erase_if(breakers_,
                  [&](const rules::Breaker& open) { return open.environment == environment; });
  };
  if (const auto* set = std::get_if<rules::SetPause>(&entry)) {
    pause_ = set->pause;
  } else if (const auto* opened = std::get_if<rules::OpenBreaker>(&entry)) {
    close(opened->environment);
    breakers_.push_back({opened->environment, opened->reason, opened->at});
  } else if (const auto* closed = std::get_if<rules::CloseBreaker>(&entry)) {
    close(closed->environment);
    breakers_closed_[closed->environment] = closed->said.at;
  }
}

bool SimDatabase::is_forgiven(const rules::Rollback& rollback) const {
  const auto closed = breakers_closed_.find(rollback.service.environment);
  return closed != breakers_closed_.end() && rollback.claimed_at &&
         *rollback.claimed_at <= closed->second;
}

void SimDatabase::serve(const rules::DeploymentId& id, Instant deployed_at, Instant now) {
  Deployment& replacement = changed(id);
  if (replacement.status != DeploymentStatus::success) {
    replacement.completed_at = now;
  }
  replacement.status = DeploymentStatus::success;
  replacement.deployed_at = deployed_at;
}

bool SimDatabase::was_dispatched(const rules::DeploymentId& id) const {
  return std::any_of(rollbacks_.begin(), rollbacks_.end(), [&](const auto& known) {
    return known.second.deployment == id && known.second.claimed_at;
  });
}

void SimDatabase::mark(const rules::MarkRolledBack& mark, Instant now) {
  Deployment& bad = changed(mark.deployment);
  bad.status = DeploymentStatus::rolled_back;
  bad.health_check_passed = false;
  const Deployment& target = deployments_.at(mark.target);
  Deployment replacement;
  replacement.row = ++last_row_;
  replacement.id = mark.replacement;
  replacement.service = bad.service;
  replacement.version = target.version;
  replacement.git_commit = target.git_commit;
  replacement.rollback_from = bad.id;
  replacement.deployed_at = now;
  deployments_.emplace(replacement.id, replacement);
  changed(replacement.id);
}

void SimDatabase::restore(const rules::RestoreDeployment& restore, Instant now) {
  Deployment& bad = changed(restore.deployment);
  if (is_done(restore.status) && !bad.completed_at) {
    bad.completed_at = now;
  }
  bad.status = restore.status;
  bad.health_check_passed = restore.health_check_passed;
  // It leaves `pending` with its old deployed_at, so the trigger says now: it never served.
  Deployment& replacement = changed(restore.replacement);
  replacement.status = DeploymentStatus::failed;
  replacement.deployed_at = now;
  replacement.completed_at = now;
}

rules::JournalRead SimDatabase::journal_read(Instant now) const {
  rules::JournalRead journal;
  std::map<rules::Service, rules::ServiceHistory> histories;
  for (const rules::EventId& id : in_order_) {
    const Rollback& rollback = rollbacks_.at(id);
    rules::ServiceHistory& history = histories[rollback.service];
    history.service = rollback.service;
    if (!rollback.is_over()) {
      journal.active.push_back(rollback);
    } else if (rollback.type == rules::TriggerType::constitutional_violation) {
      history.rejection = rules::Rejection{rollback.deployment, rollback.validation.violated()};
    }
    if (rollback.followed_until && rollback.late_outcome.empty()) {
      journal.followed.push_back(rollback);
    }
    const bool automatic = rollback.type == rules::TriggerType::automatic;
    if (automatic && rollback.claimed_at && !is_forgiven(rollback) &&
        now < *rollback.claimed_at + rules::minutes{60}) {
      journal.claims.push_back({id, rollback.service.environment, *rollback.claimed_at});
    }
    if (rollback.status == rules::RollbackStatus::failed ||
        (rollback.is_over() && automatic && rollback.aborted)) {
      history.latch = rules::Latch{rollback.id, rollback.deployment};
    }
    if (rollback.is_over() && rollback.claimed_at && automatic) {
      history.automatic_ended_at = std::max(history.automatic_ended_at, rollback.completed_at);
    }
  }
  for (auto& [service, history] : histories) {
    journal.histories.push_back(history);
  }
  return journal;
}

bool SimDatabase::belongs_to(const SimEvent& event, const rules::Service& service) const {
  if (!event.deployment) {
    return event.service == service;
  }
  const auto row = deployments_.find(*event.deployment);
  return row != deployments_.end() && row->second.service == service;
}

rules::FeedBatch SimDatabase::difference(Instant now) {
  rules::FeedBatch batch;
  batch.as_of = now;
  batch.look = ++look_;
  for (const auto& id : rows_changed_) {
    batch.deployments.push_back(deployments_.at(id));
  }
  rows_changed_.clear();
  for (; events_told_ < events_.size(); ++events_told_) {
    add_to(batch.events, events_[events_told_]);
  }
  return batch;
}

rules::FeedRebuilt SimDatabase::whole(Instant now) {
  rules::FeedRebuilt rebuilt;
  rebuilt.as_of = now;
  rebuilt.why = "started";
  for (const auto& [id, row] : deployments_) {
    rebuilt.deployments.push_back(row);
  }
  for (const SimEvent& event : events_) {
    add_to(rebuilt.events, event);
  }
  rows_changed_.clear();
  events_told_ = events_.size();
  ++look_;
  return rebuilt;
}

rules::WindowsRecounted SimDatabase::recount(const rules::RebuildWindows& wanted) const {
  rules::WindowsRecounted recounted{wanted.service, wanted.number, look_, {}};
  for (std::size_t i = 0; i < events_told_; ++i) {
    if (belongs_to(events_[i], wanted.service)) {
      add_to(recounted.events, events_[i]);
    }
  }
  return recounted;
}

rules::AuditCounted SimDatabase::audit(rules::Second t, rules::Second longest) const {
  rules::AuditCounted counted;
  counted.look = look_;
  for (std::size_t i = 0; i < events_told_; ++i) {
    const SimEvent& event = events_[i];
    const rules::Second second = rules::second_of(event.timestamp);
    if (second > t - longest && second <= t + 60) {
      counted.groups.push_back({event.deployment, event.service, event.timestamp, 1, 0, 0});
    }
  }
  return counted;
}

const Deployment* SimDatabase::at(const rules::Service& service, Instant moment) const {
  const Deployment* best = nullptr;
  for (const auto& [id, d] : deployments_) {
    const bool left_out =
        d.service != service || d.status == DeploymentStatus::pending || !d.deployed_at ||
        *d.deployed_at > moment ||
        (d.status == DeploymentStatus::failed && (!d.completed_at || *d.completed_at <= moment));
    if (!left_out && (best == nullptr || is_newer(d, *best))) {
      best = &d;
    }
  }
  return best;
}

const Deployment* SimDatabase::attributed(const SimEvent& event) const {
  if (!event.deployment) {
    return at(event.service, event.timestamp);
  }
  const auto row = deployments_.find(*event.deployment);
  return row == deployments_.end() ? nullptr : &row->second;
}

const Deployment* SimDatabase::target_of(const Deployment& bad) const {
  const Deployment* best = nullptr;
  for (const auto& [id, d] : deployments_) {
    const bool fits = d.service == bad.service && is_newer(bad, d) && d.health_check_passed &&
                      d.status == DeploymentStatus::success && !d.rollback_from &&
                      (d.version != bad.version || d.git_commit != bad.git_commit);
    if (fits && (best == nullptr || is_newer(d, *best))) {
      best = &d;
    }
  }
  return best;
}

std::map<rules::DeploymentId, std::uint64_t> SimDatabase::recount(rules::Second t,
                                                                  rules::Second window) const {
  std::map<rules::DeploymentId, std::uint64_t> counts;
  for (const SimEvent& event : events_) {
    const rules::Second second = rules::second_of(event.timestamp);
    if (second <= t - window || second > t + 60) {
      continue;
    }
    if (const Deployment* owner = attributed(event)) {
      ++counts[owner->id];
    }
  }
  return counts;
}

}  // namespace rollbackd::tests
