// What the daemons of an incident start: snapshots, looks, scripts and deploys.

#include <algorithm>
#include <utility>

#include "tests/sim/incident_world.hpp"

namespace rollbackd::tests {
namespace {

using rules::DeployOutcome;
using rules::Duration;
using rules::Instant;
using rules::seconds;

constexpr Duration ms(std::int64_t n) { return Duration{n * 1000}; }
// How long a run is looked for by its marker.
constexpr Duration look_up_takes = seconds{60};
constexpr Duration cancel_takes = seconds{1};

bool can_be_followed(const std::string& executor) { return executor == "github"; }

}  // namespace

void IncidentWorld::start(Daemon& daemon, const rules::Action& action) {
  if (const auto* snapshot = std::get_if<rules::TakeSnapshot>(&action)) {
    take_snapshot(daemon, *snapshot);
  } else if (const auto* deploy = std::get_if<rules::Deploy>(&action)) {
    ask_gate(daemon, *deploy);
  } else if (const auto* wanted = std::get_if<rules::FollowDeploy>(&action)) {
    follow(daemon, *wanted);
  } else if (const auto* stop = std::get_if<rules::CancelDeploy>(&action)) {
    while_alive(daemon, between(ms(1), ms(300)),
                [this, &daemon, event = stop->event] { cancel(daemon, event); });
  } else if (const auto* revert_them = std::get_if<rules::RevertMigrations>(&action)) {
    revert(daemon, *revert_them);
  } else if (const auto* read = std::get_if<rules::ReadControl>(&action)) {
    daemon.control_number = std::max(daemon.control_number, read->number);
    daemon.control_asked.resize(daemon.control_number + 1, now_);
    if (bug_ == SimBug::control_from_memory) {
      give_control(daemon, daemon.control, daemon.control_read_at);
    } else {
      read_control(daemon, has_fault(40) ? between(ms(1), seconds{5}) : between(ms(1), ms(10)));
    }
  } else if (const auto* probe = std::get_if<rules::ProbeHealth>(&action)) {
    while_alive(daemon, between(ms(1), ms(500)), [this, &daemon, event = probe->event] {
      step(daemon, rules::HealthUrlAnswered{event, !random_.one_in(3), "simulated"});
    });
  } else if (const auto* recount = std::get_if<rules::RebuildWindows>(&action)) {
    while_alive(daemon, between(ms(1), random_.one_in(10) ? seconds{2} : ms(20)),
                [this, &daemon, wanted = *recount] { step(daemon, database_.recount(wanted)); });
  }
}

void IncidentWorld::take_snapshot(Daemon& daemon, const rules::TakeSnapshot& wanted) {
  std::optional<bool> unhealthy;
  for (const rules::Field& sample : wanted.samples) {
    if (sample.key == "previous_unhealthy") {
      unhealthy = std::get<bool>(sample.value);
    }
  }
  const bool fails = random_.one_in(20);
  while_alive(
      daemon, fails ? between(ms(1), seconds{2}) : between(ms(2), ms(60)),
      [this, &daemon, fails, unhealthy, deployment = wanted.deployment, type = wanted.type] {
        const rules::SnapshotTaken taken{deployment, type, fails ? "" : "a snapshot",
                                         fails ? "simulated" : ""};
        if (!fails) {
          database_.keep_snapshot(taken, std::nullopt, unhealthy);
        }
        step(daemon, taken);
      });
}

// --- What can forbid to act

void IncidentWorld::read_control(Daemon& daemon, Duration takes) {
  while_alive(daemon, takes, [this, &daemon] {
    rules::ControlRead control;
    control.number = daemon.control_number;
    control.pause = database_.pause();
    control.breakers = database_.breakers();
    control.migrations = migrations_;
    while_alive(daemon, between(ms(0), ms(5)),
                [this, &daemon, read_at = now_, control = std::move(control)] {
                  give_control(daemon, control, read_at);
                });
  });
}

// In the order in which they were read.
void IncidentWorld::give_control(Daemon& daemon, rules::ControlRead control, Instant read_at) {
  if (read_at < daemon.control_read_at) {
    return read_control(daemon, ms(1));
  }
  daemon.control_read_at = read_at;
  if (bug_ == SimBug::control_from_memory) {
    control.number = daemon.control_number;
  }
  daemon.control = control;
  daemon.is_fresh = control.number != 0 && read_at >= daemon.control_asked[control.number];
  step(daemon, control);
  daemon.is_fresh = false;
}

void IncidentWorld::control_changed() {
  for (Daemon& daemon : daemons_) {
    if (daemon.rules) {
      read_control(daemon, between(ms(1), rules::limits::control_every));
    }
  }
}

void IncidentWorld::pause(bool on) {
  rules::Pause pause;
  pause.on = on;
  pause.by = "sql";
  pause.since = now_;
  database_.set_pause(pause);
  control_changed();
}

void IncidentWorld::revert(Daemon& daemon, const rules::RevertMigrations& wanted) {
  while_alive(daemon, between(ms(5), seconds{3}), [this, &daemon, wanted] {
    rules::MigrationsReverted reverted{wanted.event, {}, {}, {}};
    for (const std::string& name : wanted.migrations) {
      if (random_.one_in(5)) {
        reverted.failed = name;
        reverted.error = "syntax error";
        break;
      }
      reverted.reverted.push_back(name);
      std::erase_if(migrations_, [&](const rules::Migration& m) { return m.name == name; });
    }
    step(daemon, reverted);
  });
}

// --- Deploys

// As Executors does it: one question, under the epoch of the moment it is asked.
void IncidentWorld::ask_gate(Daemon& daemon, const rules::Deploy& deploy) {
  daemon.running.push_back(deploy.event);
  if (random_.one_in(30)) {
    after(between(ms(0), ms(5)), [this] { break_leadership(); });
  }
  while_alive(daemon, random_.one_in(20) ? between(ms(1), seconds{2}) : between(ms(1), ms(10)),
              [this, &daemon, deploy, epoch = daemon.epoch] { pass_gate(daemon, deploy, epoch); });
}

void IncidentWorld::pass_gate(Daemon& daemon, const rules::Deploy& deploy, std::uint64_t epoch) {
  if (has_fault(60)) {
    return crash(daemon);
  }
  const bool is_old = epoch != epoch_ && bug_ != SimBug::gate_forgets_the_epoch;
  if (is_old || has_fault(40)) {
    return say_ended(daemon, {deploy.event, DeployOutcome::refused, "unreadable", seconds{1}, {}});
  }
  if (database_.pause().on && !deploy.through_pause && bug_ != SimBug::gate_forgets_the_pause) {
    return say_ended(daemon, {deploy.event, DeployOutcome::not_started, "paused", Duration{0},
                              rules::Reason::paused});
  }
  if (epoch != epoch_) {
    oracle_.find("a dispatch under an epoch that has passed", now_);
  }
  dispatch(daemon, deploy);
  if (bug_ == SimBug::dispatches_twice && !database_.pause().on) {
    oracle_.on_dispatch(deploy, false, now_);
  }
}

void IncidentWorld::dispatch(Daemon& daemon, const rules::Deploy& deploy) {
  ++result_.dispatched;
  const std::int64_t chance = random_.between(0, 99);
  const bool followed = can_be_followed(deploy.executor);
  const bool refused = chance < 8;
  const bool not_started = !refused && chance < 14;
  const bool lost = !refused && !not_started && chance < 26 && deploy.executor != "command";
  const bool certain_no = refused || not_started;
  Run run;
  run.event = deploy.event;
  run.service = deploy.service;
  run.id = "run-" + std::to_string(runs_.size() + 1);
  run.made = !certain_no && !(lost && random_.one_in(3));
  run.heeds_cancel = !random_.one_in(4);
  run.listed_at = now_ + (random_.one_in(5) ? between(seconds{1}, seconds{120}) : ms(5));
  run.ends_at = now_ + (random_.one_in(8) ? between(seconds{30}, seconds{400})
                                          : between(ms(20), seconds{20}));
  run.deadline = now_ + seconds{60};
  run.ends_with = random_.one_in(4)                ? DeployOutcome::failed
                  : followed && random_.one_in(10) ? DeployOutcome::cancelled
                                                   : DeployOutcome::succeeded;
  const std::size_t number = runs_.size();
  runs_.push_back(run);
  oracle_.on_dispatch(deploy, certain_no, now_);
  if (run.made) {
    after(run.ends_at - now_, [this, number] { end_run(number); });
  }
  if (has_fault(40)) {
    return crash(daemon);
  }
  const auto say_no = [&](DeployOutcome outcome, Duration retry_after) {
    while_alive(daemon, between(ms(1), seconds{2}),
                [this, &daemon, event = deploy.event, outcome, retry_after] {
                  say_ended(daemon, {event, outcome, "no", retry_after, {}});
                });
  };
  if (not_started) {
    say_no(DeployOutcome::not_started, Duration{0});
  } else if (refused) {
    const std::int64_t wait = random_.between(0, 3);
    say_no(DeployOutcome::refused, seconds{wait == 3 ? 150 : wait * 15});
  } else if (lost && bug_ == SimBug::calls_the_unknown_refused) {
    say_no(DeployOutcome::refused, seconds{1});
  } else {
    tell_of_run(daemon, deploy, number, lost);
  }
}

void IncidentWorld::tell_of_run(Daemon& daemon, const rules::Deploy& deploy, std::size_t run,
                                bool lost) {
  const rules::EventId& event = deploy.event;
  if (!can_be_followed(deploy.executor)) {
    const Duration took = std::min(runs_[run].ends_at, runs_[run].deadline) - now_;
    if (!lost && random_.one_in(2)) {
      while_alive(daemon, ms(5), [this, &daemon, event] {
        step(daemon, rules::DeployStarted{event, "started"});
      });
    }
    while_alive(daemon, took, [this, &daemon, event, run, lost] {
      const DeployOutcome outcome = lost               ? DeployOutcome::unknown
                                    : runs_[run].ended ? runs_[run].ends_with
                                                       : DeployOutcome::timed_out;
      say_ended(daemon, {event, outcome, "its end", Duration{0}, {}});
    });
    return;
  }
  if (lost) {
    return look_up(daemon, event, false);
  }
  const bool is_named = !random_.one_in(6);
  while_alive(daemon, between(ms(5), ms(800)), [this, &daemon, event, run, is_named] {
    const std::string id = is_named ? runs_[run].id : "";
    step(daemon, rules::DeployStarted{event, "accepted", id, id});
    if (is_named) {
      watch(daemon, run, false);
    } else {
      look_up(daemon, event, false);
    }
  });
}

std::optional<std::size_t> IncidentWorld::run_of(const rules::EventId& event) const {
  for (std::size_t i = runs_.size(); i > 0; --i) {
    if (runs_[i - 1].event == event && runs_[i - 1].made) {
      return i - 1;
    }
  }
  return std::nullopt;
}

void IncidentWorld::follow(Daemon& daemon, const rules::FollowDeploy& wanted) {
  if (bug_ == SimBug::dispatches_to_follow && !wanted.late) {
    const rules::Rollback& r = database_.rollbacks().at(wanted.event);
    return ask_gate(daemon, {r.id, r.service, r.executor, r.replacement, r.deployment,
                             r.target->version, r.target->git_commit, r.reason, wanted.claimed_at});
  }
  if (!wanted.late) {
    daemon.running.push_back(wanted.event);
  }
  const auto run = run_of(wanted.event);
  if (!can_be_followed(wanted.executor)) {
    while_alive(daemon, Duration{0}, [this, &daemon, event = wanted.event] {
      say_ended(daemon, {event, DeployOutcome::unknown, "interrupted", Duration{0}, {}});
    });
  } else if (run && !wanted.run.empty() && !wanted.late) {
    watch(daemon, *run, false);
  } else {
    look_up(daemon, wanted.event, wanted.late);
  }
}

// By its marker, in the list of runs; late ones as long as it takes.
void IncidentWorld::look_up(Daemon& daemon, const rules::EventId& event, bool late) {
  const auto run = run_of(event);
  if (run && (late || runs_[*run].listed_at <= now_ + look_up_takes)) {
    const Duration listed = runs_[*run].listed_at - now_;
    while_alive(daemon, std::max(listed, between(ms(5), seconds{3})),
                [this, &daemon, event, late, number = *run] {
                  step(daemon, rules::DeployStarted{event, "found", runs_[number].id, "url"});
                  if (late) {
                    cancel(daemon, event);
                  }
                  watch(daemon, number, late);
                });
  } else if (!late) {
    while_alive(daemon, look_up_takes, [this, &daemon, event] {
      say_ended(daemon, {event, DeployOutcome::unknown, "no run has its marker", Duration{0}, {}});
    });
  }
}

void IncidentWorld::watch(Daemon& daemon, std::size_t run, bool late) {
  const Instant until =
      late ? runs_[run].ends_at : std::min(runs_[run].ends_at, runs_[run].deadline);
  while_alive(daemon, std::max(until - now_, ms(1)), [this, &daemon, run, late] {
    const Run& known = runs_[run];
    if (known.ended) {
      say_ended(daemon, {known.event, known.ends_with, "its conclusion", Duration{0}, {}});
    } else if (!late && now_ >= known.deadline) {
      say_ended(daemon, {known.event, DeployOutcome::timed_out, "too long", Duration{0}, {}});
    } else {
      watch(daemon, run, late);
    }
  });
}

void IncidentWorld::cancel(Daemon& daemon, const rules::EventId& event) {
  const auto number = run_of(event);
  if (!number || runs_[*number].ended || !runs_[*number].heeds_cancel) {
    return;
  }
  Run& run = runs_[*number];
  run.ends_at = std::min(run.ends_at, now_ + cancel_takes);
  run.ends_with = DeployOutcome::cancelled;
  after(run.ends_at - now_, [this, n = *number] { end_run(n); });
  watch(daemon, *number, false);
}

void IncidentWorld::end_run(std::size_t number) {
  Run& run = runs_[number];
  if (run.ended || run.ends_at > now_) {
    return;
  }
  run.ended = true;
  if (run.ends_with == DeployOutcome::succeeded && on_rolled_back) {
    on_rolled_back(run.service);
  }
}

void IncidentWorld::say_ended(Daemon& daemon, const rules::DeployEnded& ended) {
  std::erase(daemon.running, ended.event);
  if (bug_ != SimBug::loses_the_deploys_end) {
    step(daemon, ended);
  }
}

}  // namespace rollbackd::tests
