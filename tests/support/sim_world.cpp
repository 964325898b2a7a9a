#include "tests/support/sim_world.hpp"

#include <algorithm>
#include <utility>

namespace rollbackd::tests {
namespace {

constexpr rules::Duration bell_takes{1'000};
// How often a planted bug shows, where it is about one of many.
constexpr std::uint64_t bug_every = 20;

}  // namespace

SimWorld::SimWorld(rules::PolicyBook policies, rules::Instant start, SimChance chance)
    : policies_{std::move(policies)}, time_{start}, chance_{std::move(chance)} {
  boot();
  every_second();
}

// --- Time

void SimWorld::after(rules::Duration delay, std::function<void()> what) {
  due_.push({time_ + delay, ++order_, std::move(what)});
}

void SimWorld::in_turn(Queue& queue, rules::Duration usual, std::function<void()> what) {
  queue = std::max(queue, time_ + chance_.takes(usual));
  due_.push({queue, ++order_, std::move(what)});
}

void SimWorld::while_alive(rules::Duration delay, std::function<void()> what) {
  after(delay, [this, what = std::move(what), life = life_] {
    if (life == life_ && is_up_) {
      what();
    }
  });
}

void SimWorld::run_until(rules::Instant until) {
  while (!due_.empty() && due_.top().at <= until) {
    const Due next = due_.top();
    due_.pop();
    time_ = std::max(time_, next.at);
    next.what();
    witness.on_moment();
  }
  time_ = std::max(time_, until);
}

void SimWorld::every_second() {
  const rules::Instant next = rules::instant_of(rules::second_of(time_) + 1) + bell_takes;
  due_.push({next, ++order_, [this] {
               if (is_up_) {
                 if (!feed_lost_) {
                   poll(chance_.audits && rules::second_of(time_) % 60 == 30);
                 }
                 take(samples_);
                 read_control();
               }
               every_second();
             }});
}

// --- The daemon

void SimWorld::boot() {
  ++life_;
  ++feed_life_;
  is_up_ = true;
  leads_ = true;
  feed_lost_ = false;
  journal_broken_ = false;
  looks_ = 1;  // the one below
  writes_ = 0;
  wake_.reset();
  running_.clear();  // children of the old process are nobody's
  late_.clear();
  control_asked_ = 0;
  loop_ = std::make_unique<engine::Loop>(policies_, *this, *this, *this, *this);
  while_alive(commit_takes, [this] {
    looks_ = 0;
    if (!feed_lost_) {
      rebuild_all();
    }
    if (leads_) {
      read();
    }
    read_control();
    take(samples_);
    if (bug_ == SimBug::dispatches_again) {
      for (const auto& [id, r] : database_.rollbacks()) {
        if (!r.is_over() && r.claimed_at) {
          start(rules::Deploy{id, r.service, r.executor, r.replacement, r.deployment,
                              r.target->version, r.target->git_commit, r.reason, *r.claimed_at});
        }
      }
    }
  });
}

void SimWorld::kill() { is_up_ = false; }

void SimWorld::restart() {
  kill();
  boot();
}

void SimWorld::take(const rules::Input& input) {
  loop_->take(input);
  const auto wanted = loop_->wake_at();
  if (wanted && wanted != wake_) {
    wake_ = wanted;
    while_alive(std::max(at_once, *wanted - now()), [this, at = *wanted] {
      if (wake_ == at) {
        wake_.reset();
        take(rules::Tick{});
      }
    });
  }
}

bool SimWorld::is_quiet() const {
  return is_leading() && has_feed() && looks_ == 0 && writes_ == 0 && !journal_broken_ &&
         database_.is_all_told();
}

// --- People and programs

rules::DeploymentId SimWorld::deploy(const rules::Service& service, const std::string& version,
                                     const std::string& commit, rules::DeploymentStatus status) {
  const auto id = database_.deploy(time_, service, version, commit, status);
  ring();
  return id;
}

void SimWorld::set_status(const rules::DeploymentId& id, rules::DeploymentStatus status) {
  database_.set_status(time_, id, status);
  ring();
}

void SimWorld::log_error(const rules::Service& service, rules::Instant timestamp,
                         std::optional<rules::DeploymentId> deployment) {
  database_.log_error({timestamp, service, deployment});
  ring();
}

void SimWorld::request_rollback(const rules::DeploymentId& id, const std::string& reason,
                                bool revert_migrations) {
  rules::ManualRequest request{id, reason, {}};
  request.revert_migrations = revert_migrations;
  ask(request);
}

void SimWorld::ask(const rules::Input& request) {
  if (is_leading()) {
    take(request);
  }
}

void SimWorld::set_pause(bool on, const std::string& reason) {
  database_.set_pause({on, "somebody", reason, time_});
}

void SimWorld::add_migration(const std::string& name, const rules::DeploymentId& deployment,
                             bool backward_compatible) {
  migrations_.push_back({name, deployment, time_, backward_compatible, true, false});
}

// As ops.alerts has it: told again while it fires, nothing changes.
void SimWorld::alert(const std::string& name, const rules::Service& service, bool fires) {
  const auto known =
      std::find_if(alerts_.begin(), alerts_.end(), [&](const rules::FiringAlert& alert) {
        return alert.name == name && alert.service == service;
      });
  if (!fires && known != alerts_.end()) {
    alerts_.erase(known);
  } else if (fires && known == alerts_.end()) {
    alerts_.push_back({service, name, time_});
  }
}

// --- The feed

void SimWorld::ring() {
  if (bell_pending_) {
    return;
  }
  bell_pending_ = true;
  after(chance_.takes(bell_takes), [this] {
    bell_pending_ = false;
    if (has_feed()) {
      poll();
    }
  });
}

// What was seen in one moment reaches the loop in another, but in the order in which it was seen.
void SimWorld::deliver(rules::Input input) {
  ++looks_;
  const auto hand_over = [this, input = std::move(input), life = feed_life_] {
    if (life == feed_life_ && has_feed()) {
      --looks_;
      take(input);
    }
  };
  if (chance_.takes(at_once) == at_once && feed_queue_ <= time_) {
    hand_over();
  } else {
    in_turn(feed_queue_, at_once, hand_over);
  }
}

void SimWorld::poll(bool audit) {
  rules::FeedBatch batch = database_.difference(time_);
  batch.audited = audit;
  if (audit) {
    const rules::Second longest = policies_.window_lengths().back();
    deliver_late(database_.audit(rules::second_of(time_), longest));
  }
  for (rules::Deployment& d : batch.deployments) {
    d.rollback_from = bug_ == SimBug::hides_replacements ? std::nullopt : d.rollback_from;
  }
  const bool wrong = !batch.events.empty() && ++bug_count_ % bug_every == 0;
  if (bug_ == SimBug::loses_an_event && wrong) {
    batch.events.pop_back();
  }
  if (bug_ == SimBug::counts_an_event_twice && wrong) {
    batch.events.push_back(batch.events.back());
  }
  deliver(std::move(batch));
}

void SimWorld::recount(const rules::RebuildWindows& wanted) {
  ++looks_;
  after(chance_.takes(bell_takes), [this, wanted, life = feed_life_] {
    if (life == feed_life_ && has_feed()) {
      --looks_;
      deliver_late(database_.recount(wanted));
    }
  });
}

void SimWorld::deliver_late(rules::Input counted) {
  ++looks_;
  after(chance_.takes(bell_takes), [this, counted = std::move(counted), life = feed_life_] {
    if (life == feed_life_ && has_feed()) {
      --looks_;
      deliver(counted);
    }
  });
}

void SimWorld::rebuild_all() {
  ++feed_life_;
  looks_ = 0;
  deliver(database_.whole(time_));
}

void SimWorld::lose_feed() {
  if (!has_feed()) {
    return;
  }
  feed_lost_ = true;
  ++feed_life_;
  looks_ = 0;
  if (bug_ != SimBug::hides_a_gap) {
    take(rules::FeedLost{"simulated"});
  }
}

void SimWorld::find_feed() {
  if (is_up_ && feed_lost_) {
    feed_lost_ = false;
    rebuild_all();
  }
}

}  // namespace rollbackd::tests
