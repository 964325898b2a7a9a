#include "tests/support/sim_world.hpp"

#include <algorithm>
#include <utility>

#include "rules/limits.hpp"

namespace rollbackd::tests {
namespace {

constexpr rules::Duration bell_takes{1'000};
constexpr rules::Duration commit_takes{1'000};
constexpr rules::Duration snapshot_takes{40'000};
constexpr rules::Duration spawn_takes{5'000};

}  // namespace

rules::DeploymentId numbered_id(std::uint64_t number) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[15 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  }
  return rules::DeploymentId{bytes};
}

SimWorld::SimWorld(rules::PolicyBook policies, rules::Instant start)
    : policies_{std::move(policies)}, now_{start} {
  boot();
  every_second();
}

void SimWorld::after(rules::Duration delay, std::function<void()> what) {
  due_.push({now_ + delay, ++order_, std::move(what)});
}

void SimWorld::run_until(rules::Instant until) {
  while (!due_.empty() && due_.top().at <= until) {
    const Due next = due_.top();
    due_.pop();
    now_ = std::max(now_, next.at);
    next.what();
  }
  now_ = std::max(now_, until);
}

void SimWorld::boot() {
  ++life_;
  wake_.reset();
  running_.clear();  // children of the old process are nobody's
  journal_broken_ = false;
  loop_ = std::make_unique<engine::Loop>(policies_, *this, *this, *this, *this);
  after(commit_takes, [this, life = life_] {
    if (life == life_) {
      rebuild_all();
      read();
      take(samples_);
    }
  });
}

void SimWorld::restart() { boot(); }

void SimWorld::every_second() {
  const rules::Instant next = rules::instant_of(rules::second_of(now_) + 1) + bell_takes;
  due_.push({next, ++order_, [this] {
               if (feed_lost_) {
                 feed_lost_ = false;
                 rebuild_all();
               } else {
                 poll({});
               }
               take(samples_);
               every_second();
             }});
}

void SimWorld::take(const rules::Input& input) {
  loop_->take(input);
  const auto wanted = loop_->wake_at();
  if (wanted && wanted != wake_) {
    wake_ = wanted;
    after(std::max(rules::Duration{0}, *wanted - now_), [this, life = life_, at = *wanted] {
      if (life == life_ && wake_ == at) {
        wake_.reset();
        take(rules::Tick{});
      }
    });
  }
}

rules::Deployment& SimWorld::changed(const rules::DeploymentId& id) {
  rows_changed_.insert(id);
  ring();
  return deployments_.at(id);
}

rules::DeploymentId SimWorld::deploy(const rules::Service& service, const std::string& version,
                                     const std::string& commit, rules::DeploymentStatus status) {
  rules::Deployment d;
  d.row = ++last_row_;
  d.id = numbered_id(static_cast<std::uint64_t>(d.row));
  d.service = service;
  d.version = version;
  d.git_commit = commit;
  d.status = status;
  d.deployed_at = now_;
  deployments_.emplace(d.id, d);
  changed(d.id);
  return d.id;
}

void SimWorld::set_status(const rules::DeploymentId& id, rules::DeploymentStatus status) {
  rules::Deployment& d = changed(id);
  if (d.status == rules::DeploymentStatus::pending) {
    d.deployed_at = now_;
  }
  if (status == rules::DeploymentStatus::success || status == rules::DeploymentStatus::failed) {
    d.completed_at = now_;
  }
  d.status = status;
}

void SimWorld::log_error(const rules::Service& service, rules::Instant timestamp,
                         std::optional<rules::DeploymentId> deployment) {
  events_.push_back({timestamp, service, deployment, events_.size()});
  ring();
}

void SimWorld::request_rollback(const rules::DeploymentId& id, const std::string& reason) {
  take(rules::ManualRequest{id, reason, {}});
}

void SimWorld::ring() {
  if (bell_pending_) {
    return;
  }
  bell_pending_ = true;
  after(bell_takes, [this] {
    bell_pending_ = false;
    if (!feed_lost_) {
      poll({});
    }
  });
}

void SimWorld::lose_feed() {
  feed_lost_ = true;
  take(rules::FeedLost{"simulated"});
}

void SimWorld::fail_next_commit(bool although_done) { fail_commit_ = although_done; }

rules::EventGroup SimWorld::group_of(const SimEvent& event) const {
  return {event.deployment, event.service, event.timestamp, 1};
}

bool SimWorld::belongs_to(const SimEvent& event, const rules::Service& service) const {
  if (!event.deployment) {
    return event.service == service;
  }
  const auto row = deployments_.find(*event.deployment);
  return row != deployments_.end() && row->second.service == service;
}

void SimWorld::poll(const std::vector<rules::Service>& rebuilt) {
  rules::FeedBatch batch;
  batch.as_of = now_;
  batch.rebuilt = rebuilt;
  for (const auto& id : rows_changed_) {
    batch.deployments.push_back(deployments_.at(id));
  }
  rows_changed_.clear();
  const auto is_rebuilt = [&](const SimEvent& event) {
    return std::any_of(rebuilt.begin(), rebuilt.end(),
                       [&](const rules::Service& s) { return belongs_to(event, s); });
  };
  for (std::size_t i = 0; i < events_.size(); ++i) {
    const bool is_new = i >= events_polled_;
    if (is_rebuilt(events_[i]) || is_new) {
      batch.events.push_back(group_of(events_[i]));
    }
  }
  events_polled_ = events_.size();
  take(batch);
}

void SimWorld::rebuild_all() {
  rules::FeedRebuilt rebuilt;
  rebuilt.as_of = now_;
  rebuilt.why = "started";
  for (const auto& [id, row] : deployments_) {
    rebuilt.deployments.push_back(row);
  }
  for (const SimEvent& event : events_) {
    rebuilt.events.push_back(group_of(event));
  }
  rows_changed_.clear();
  events_polled_ = events_.size();
  take(rebuilt);
}

void SimWorld::write(const rules::Commit& commit) {
  after(commit_takes, [this, commit, life = life_] {
    if (life != life_ || journal_broken_) {
      return;  // the process died before it was sent, or it follows one that failed
    }
    const auto fault = std::exchange(fail_commit_, std::nullopt);
    if (!fault || *fault) {
      apply(commit);
    }
    journal_broken_ = fault.has_value();
    take(rules::CommitDone{commit.id, !fault, fault ? "simulated" : ""});
  });
}

void SimWorld::read() {
  after(commit_takes, [this, life = life_] {
    if (life == life_) {
      journal_broken_ = false;
      take(journal_read());
    }
  });
}

rules::JournalRead SimWorld::journal_read() const {
  rules::JournalRead journal;
  std::map<rules::Service, rules::ServiceHistory> histories;
  for (const auto& [id, rollback] : rollbacks_) {
    rules::ServiceHistory& history = histories[rollback.service];
    history.service = rollback.service;
    if (!rollback.is_over()) {
      journal.active.push_back(rollback);
    } else if (rollback.type == rules::TriggerType::constitutional_violation) {
      history.rejection = rules::Rejection{rollback.deployment, rollback.validation.violated()};
    }
    if (rollback.status == rules::RollbackStatus::failed) {
      history.latch = rules::Latch{rollback.id, rollback.deployment};
    }
    if (rollback.is_over() && rollback.claimed_at &&
        rollback.type == rules::TriggerType::automatic) {
      history.automatic_ended_at = std::max(history.automatic_ended_at, rollback.completed_at);
    }
  }
  for (auto& [service, history] : histories) {
    journal.histories.push_back(history);
  }
  return journal;
}

void SimWorld::apply(const rules::Commit& commit) {
  for (const rules::JournalEntry& entry : commit.entries) {
    apply_entry(entry);
    on_entry(entry);
  }
}

void SimWorld::apply_entry(const rules::JournalEntry& entry) {
  using rules::DeploymentStatus;
  if (const auto* put = std::get_if<rules::PutRollback>(&entry)) {
    rollbacks_.insert_or_assign(put->rollback.id, put->rollback);
    if (put->rollback.claimed_at) {
      changed(put->rollback.deployment).rollback_dispatched = true;
    }
  } else if (const auto* mark = std::get_if<rules::MarkRolledBack>(&entry)) {
    rules::Deployment& bad = changed(mark->deployment);
    bad.status = DeploymentStatus::rolled_back;
    bad.health_check_passed = false;
    const rules::Deployment& target = deployments_.at(mark->target);
    rules::Deployment replacement;
    replacement.row = ++last_row_;
    replacement.id = mark->replacement;
    replacement.service = bad.service;
    replacement.version = target.version;
    replacement.git_commit = target.git_commit;
    replacement.rollback_from = bad.id;
    replacement.deployed_at = now_;
    deployments_.emplace(replacement.id, replacement);
    changed(replacement.id);
  } else if (const auto* restore = std::get_if<rules::RestoreDeployment>(&entry)) {
    rules::Deployment& bad = changed(restore->deployment);
    bad.status = restore->status;
    bad.health_check_passed = restore->health_check_passed;
    rules::Deployment& replacement = changed(restore->replacement);
    replacement.status = DeploymentStatus::failed;
    replacement.completed_at = now_;
  } else if (const auto* serve = std::get_if<rules::PutInService>(&entry)) {
    rules::Deployment& replacement = changed(serve->replacement);
    replacement.status = DeploymentStatus::success;
    replacement.deployed_at = serve->deployed_at;
    replacement.completed_at = now_;
  } else if (const auto* passed = std::get_if<rules::PassProbation>(&entry)) {
    rules::Deployment& row = changed(passed->deployment);
    row.health_check_passed = true;
    if (row.status == DeploymentStatus::in_progress) {
      row.status = DeploymentStatus::success;
    }
  }
}

void SimWorld::start(const rules::Action& action) {
  on_action(action);
  const auto answer = [this](rules::Duration delay, rules::Input input) {
    after(delay, [this, input = std::move(input), life = life_] {
      if (life == life_) {
        take(input);
      }
    });
  };
  if (const auto* snapshot = std::get_if<rules::TakeSnapshot>(&action)) {
    answer(snapshot_takes,
           rules::SnapshotTaken{snapshot->deployment, snapshot->type, "snapshot", {}});
  } else if (const auto* deploy = std::get_if<rules::Deploy>(&action)) {
    dispatched_.push_back(*deploy);
    const SimDeploy how = deploy_behaviour_;
    if (how.outcome != rules::DeployOutcome::not_started) {
      running_.insert(deploy->event);
      answer(spawn_takes, rules::DeployStarted{deploy->event, "started"});
    }
    after(how.takes, [this, event = deploy->event, life = life_] {
      if (life == life_) {
        running_.erase(event);
      }
    });
    answer(how.takes, rules::DeployEnded{deploy->event, how.outcome, how.detail});
  } else if (const auto* probe = std::get_if<rules::ProbeHealth>(&action)) {
    answer(spawn_takes, rules::HealthUrlAnswered{probe->event, health_url_ok_, ""});
  } else if (const auto* rebuild = std::get_if<rules::RebuildWindows>(&action)) {
    after(bell_takes, [this, service = rebuild->service, life = life_] {
      if (life == life_ && !feed_lost_) {
        poll({service});
      }
    });
  }
}

std::vector<rules::EventId> SimWorld::running() const { return {running_.begin(), running_.end()}; }

void SimWorld::decided(const rules::Output& output) {
  for (const rules::Explanation& explanation : output.explanations) {
    on_explanation(explanation);
  }
}

void SimWorld::committed(const rules::Commit& commit, rules::Duration waited) {
  static_cast<void>(commit);
  static_cast<void>(waited);
}

const rules::Deployment& SimWorld::deployment(const rules::DeploymentId& id) const {
  return deployments_.at(id);
}

const rules::Deployment* SimWorld::attributed(const SimEvent& event) const {
  if (event.deployment) {
    const auto row = deployments_.find(*event.deployment);
    return row == deployments_.end() ? nullptr : &row->second;
  }
  const rules::Deployment* best = nullptr;
  for (const auto& [id, d] : deployments_) {
    if (d.service != event.service || d.status == rules::DeploymentStatus::pending ||
        !d.deployed_at || *d.deployed_at > event.timestamp) {
      continue;
    }
    if (d.status == rules::DeploymentStatus::failed &&
        (!d.completed_at || *d.completed_at <= event.timestamp)) {
      continue;
    }
    const auto order = [](const rules::Deployment& x) { return std::pair{*x.deployed_at, x.row}; };
    if (best == nullptr || order(*best) < order(d)) {
      best = &d;
    }
  }
  return best;
}

std::uint64_t SimWorld::recount(const rules::DeploymentId& id, rules::Second window) const {
  const rules::Second t = loop_->as_of();
  std::uint64_t count = 0;
  for (const SimEvent& event : events_) {
    const rules::Second second = rules::second_of(event.timestamp);
    const rules::Deployment* owner = attributed(event);
    count +=
        owner != nullptr && owner->id == id && second > t - window && second <= t + 60 ? 1U : 0U;
  }
  return count;
}

}  // namespace rollbackd::tests
