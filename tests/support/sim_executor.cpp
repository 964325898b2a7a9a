// The executors of the simulated world, its migrations, and what can forbid to act.

#include <algorithm>
#include <utility>

#include "tests/support/sim_world.hpp"

namespace rollbackd::tests {
namespace {

using rules::DeployOutcome;

constexpr rules::Duration read_takes{1'000};
constexpr rules::Duration answer_takes{5'000};
constexpr rules::Duration script_takes{200'000};
// How long a run is looked for by its marker.
constexpr rules::Duration look_up_takes = rules::seconds{60};
constexpr rules::Duration cancel_takes = rules::seconds{1};

bool can_be_followed(const std::string& executor) { return executor == "github"; }

}  // namespace

const std::vector<SimRun>& SimWorld::runs_of(const rules::EventId& event) const {
  static const std::vector<SimRun> none;
  const auto found = runs_.find(event);
  return found == runs_.end() ? none : found->second;
}

void SimWorld::start_deploy(const rules::Deploy& deploy) {
  SimDeploy how = chance_.deploy ? chance_.deploy(deploy) : deploy_behaviour_;
  // The gate: the pause is read once more, whatever the rules believe.
  const bool is_paused = database_.pause().on && !deploy.through_pause;
  if (is_paused) {
    how.outcome = DeployOutcome::not_started;
    how.detail = "paused";
    how.takes = read_takes;
  }
  const bool followed = can_be_followed(deploy.executor);
  const bool is_lost = how.outcome == DeployOutcome::unknown;
  SimRun run;
  run.deploy = deploy;
  run.certain_no =
      how.outcome == DeployOutcome::not_started || how.outcome == DeployOutcome::refused;
  run.made = !run.certain_no && (!is_lost || how.runs);
  run.id = "run-" + std::to_string(runs_.size() + 1);
  run.listed_at = time_ + how.listed_after;
  run.ends_at = time_ + how.takes;
  run.deadline = time_ + how.deadline;
  run.ends_with = is_lost ? how.run_ends : how.outcome;
  run.heeds_cancel = how.heeds_cancel;
  runs_[deploy.event].push_back(run);
  running_.insert(deploy.event);
  if (run.made) {
    after(how.takes, [this, event = deploy.event] { finish_run(event); });
  }
  if (followed && is_lost && bug_ != SimBug::calls_the_unknown_refused) {
    look_up(deploy.event);
    return;
  }
  const bool is_refused = followed && is_lost;  // a planted bug
  const DeployOutcome said = is_refused ? DeployOutcome::refused : how.outcome;
  if (!run.certain_no && !is_refused) {
    const std::string id = followed ? run.id : "";
    while_alive(chance_.takes(answer_takes), [this, event = deploy.event, id] {
      take(rules::DeployStarted{event, "started", id, id.empty() ? "" : "https://runs/" + id});
    });
  }
  if (followed && !run.certain_no && !is_refused) {
    watch_run(deploy.event);
    return;
  }
  const auto forbade = is_paused ? std::optional{rules::Reason::paused} : std::nullopt;
  while_alive(how.takes, [this, event = deploy.event, how, said, forbade] {
    say_ended({event, said, how.detail, how.retry_after, forbade});
  });
}

void SimWorld::say_ended(const rules::DeployEnded& ended) {
  running_.erase(ended.event);
  late_.erase(ended.event);
  if (bug_ != SimBug::loses_the_deploys_end) {
    take(ended);
  }
}

// What really happens, whoever looks.
void SimWorld::finish_run(const rules::EventId& event) {
  for (SimRun& run : runs_.at(event)) {
    if (run.made && !run.ended && run.ends_at <= time_) {
      run.ended = true;
      if (run.ends_with == DeployOutcome::succeeded) {
        chance_.deployed(run.deploy);
      }
    }
  }
}

void SimWorld::cancel_run(const rules::EventId& event) {
  SimRun& run = runs_.at(event).back();
  if (!run.made || run.ended || !run.heeds_cancel) {
    return;
  }
  run.ends_at = std::min(run.ends_at, time_ + cancel_takes);
  run.ends_with = DeployOutcome::cancelled;
  after(run.ends_at - time_, [this, event] { finish_run(event); });
  watch_run(event);
}

void SimWorld::follow(const rules::FollowDeploy& wanted) {
  if (bug_ == SimBug::dispatches_to_follow && !wanted.late) {
    const rules::Rollback& r = database_.rollbacks().at(wanted.event);
    start(rules::Deploy{r.id, r.service, r.executor, r.replacement, r.deployment, r.target->version,
                        r.target->git_commit, r.reason, wanted.claimed_at});
    return;
  }
  running_.insert(wanted.event);
  if (!can_be_followed(wanted.executor)) {
    while_alive(at_once, [this, event = wanted.event] {
      say_ended({event,
                 DeployOutcome::unknown,
                 "the daemon stopped between the claim and the deploy's end",
                 at_once,
                 {}});
    });
  } else if (wanted.late) {
    late_.insert(wanted.event);
    if (const auto& runs = runs_of(wanted.event); !runs.empty() && runs.back().made) {
      find_run(wanted.event, true);
    }
  } else if (wanted.run.empty()) {
    look_up(wanted.event);
  } else {
    watch_run(wanted.event);
  }
}

// By its marker, in the list of runs. A claim may never have got as far as its dispatch.
void SimWorld::look_up(const rules::EventId& event) {
  const auto& runs = runs_of(event);
  if (!runs.empty() && runs.back().made && runs.back().listed_at <= time_ + look_up_takes) {
    find_run(event, false);
    return;
  }
  while_alive(look_up_takes, [this, event] {
    if (running_.contains(event) && !late_.contains(event)) {
      say_ended({event, DeployOutcome::unknown, "no run has its marker", at_once, {}});
    }
  });
}

void SimWorld::find_run(const rules::EventId& event, bool cancel) {
  const rules::Duration listed = runs_.at(event).back().listed_at - time_;
  while_alive(std::max(listed, chance_.takes(answer_takes)), [this, event, cancel] {
    if (!running_.contains(event)) {
      return;
    }
    const std::string id = runs_.at(event).back().id;
    take(rules::DeployStarted{event, "found", id, "https://runs/" + id});
    if (cancel) {
      cancel_run(event);
    }
    watch_run(event);
  });
}

void SimWorld::watch_run(const rules::EventId& event) {
  const SimRun& run = runs_.at(event).back();
  const bool waits = late_.contains(event) || run.ends_at < run.deadline;
  const rules::Duration until = (waits ? run.ends_at : run.deadline) - time_;
  while_alive(std::max(until, chance_.takes(answer_takes)), [this, event] { look_at_run(event); });
}

void SimWorld::look_at_run(const rules::EventId& event) {
  if (!running_.contains(event)) {
    return;
  }
  const SimRun& run = runs_.at(event).back();
  if (run.ended) {
    say_ended({event, run.ends_with, std::string{"conclusion of "} + run.id, at_once, {}});
  } else if (time_ >= run.deadline && !late_.contains(event)) {
    say_ended({event, DeployOutcome::timed_out, run.id + " is past its deadline", at_once, {}});
  }
}

void SimWorld::revert(const rules::RevertMigrations& wanted) {
  while_alive(chance_.takes(script_takes), [this, wanted] {
    if (migrations_fail_) {
      take(rules::MigrationsReverted{wanted.event, {}, wanted.migrations.front(), "syntax error"});
      return;
    }
    std::erase_if(migrations_, [&](const rules::Migration& m) {
      return std::find(wanted.migrations.begin(), wanted.migrations.end(), m.name) !=
             wanted.migrations.end();
    });
    take(rules::MigrationsReverted{wanted.event, wanted.migrations, "", ""});
  });
}

// --- What can forbid to act

rules::ControlRead SimWorld::control() const {
  rules::ControlRead read;
  read.number = control_asked_;
  read.pause = database_.pause();
  read.breakers = database_.breakers();
  read.migrations = migrations_;
  read.alerts = alerts_;
  return read;
}

void SimWorld::read_control() {
  if (bug_ == SimBug::control_from_memory && control_asked_ != 0) {
    hand_over_control(control(), control_read_at_);
    return;
  }
  in_turn(control_queue_, read_takes, [this, life = life_] {
    if (life == life_ && is_up_ && is_database_up_) {
      control_read_at_ = time_;
      hand_over_control(control(), time_);
    }
  });
}

void SimWorld::hand_over_control(rules::ControlRead read, rules::Instant read_at) {
  in_turn(control_answers_, at_once, [this, read = std::move(read), read_at, life = life_] {
    if (life == life_ && is_up_) {
      witness.on_control(read, read_at);
      take(read);
    }
  });
}

}  // namespace rollbackd::tests
