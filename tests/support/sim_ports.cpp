// The journal of the simulated world, and what the daemon starts in it.

#include <algorithm>
#include <utility>

#include "tests/support/sim_world.hpp"

namespace rollbackd::tests {
namespace {

constexpr rules::Duration snapshot_takes{40'000};
constexpr rules::Duration probe_takes{5'000};

}  // namespace

// --- The journal: one session, one transaction after the other

void SimWorld::write(const rules::Commit& commit) {
  witness.on_write(commit);
  ++writes_;
  if (bug_ == SimBug::acts_before_commit) {
    for (const rules::Action& action : commit.then) {
      start(action);
    }
  }
  in_turn(journal_queue_, commit_takes, [this, commit, life = life_] { execute(commit, life); });
}

void SimWorld::execute(const rules::Commit& commit, std::uint64_t life) {
  const bool is_orphan = life != life_ || !is_up_;
  if (!is_orphan && journal_broken_) {
    --writes_;
    return;  // it follows one that failed
  }
  if (is_orphan && !chance_.lands()) {
    return;
  }
  SimCommit fate = is_orphan ? SimCommit::done : chance_.commit();
  if (!is_database_up_) {
    fate = chance_.lands() ? SimCommit::confirmation_lost : SimCommit::lost;
  }
  if (!database_.accepts(commit)) {
    fate = SimCommit::lost;
  }
  const bool lies = bug_ == SimBug::journal_lies && ++bug_count_ % 20 == 0;
  if (fate != SimCommit::lost && !lies) {
    witness.on_commit(commit);
    for (const rules::JournalEntry& entry : commit.entries) {
      const bool skipped = bug_ == SimBug::restores_nothing &&
                           std::holds_alternative<rules::RestoreDeployment>(entry);
      if (!skipped) {
        database_.apply(entry, time_);
      }
      witness.on_entry(entry);
    }
    ring();
  }
  if (!is_orphan) {
    journal_broken_ = fate != SimCommit::done;
    confirm({commit.id, fate == SimCommit::done, fate == SimCommit::done ? "" : "simulated"});
  }
}

void SimWorld::confirm(rules::CommitDone done) {
  const auto hand_over = [this, done = std::move(done), life = life_] {
    if (life == life_ && is_up_) {
      --writes_;
      if (!done.committed) {
        witness.on_fault();
      }
      take(done);
    }
  };
  if (chance_.takes(at_once) == at_once && journal_answers_ <= time_) {
    hand_over();
  } else {
    in_turn(journal_answers_, at_once, hand_over);
  }
}

void SimWorld::read() {
  ++writes_;
  in_turn(journal_queue_, commit_takes, [this, life = life_] {
    if (life != life_ || !is_up_) {
      return;
    }
    --writes_;
    if (is_database_up_) {
      answer_journal();
    } else {
      read();  // as often as it takes
    }
  });
}

void SimWorld::answer_journal() {
  ++writes_;
  journal_broken_ = false;
  rules::JournalRead journal = database_.journal_read(time_);
  if (bug_ == SimBug::forgets_active) {
    journal.active.clear();
  }
  if (bug_ == SimBug::forgets_the_follower) {
    journal.followed.clear();
  }
  if (bug_ == SimBug::forgets_the_latch) {
    for (rules::ServiceHistory& history : journal.histories) {
      history.latch.reset();
    }
  }
  const auto hand_over = [this, journal = std::move(journal), life = life_] {
    if (life == life_ && is_up_) {
      --writes_;
      // Who leads no more must not be told: he would go on.
      if (leads_) {
        take(journal);
      }
    }
  };
  if (chance_.takes(at_once) == at_once && journal_answers_ <= time_) {
    hand_over();
  } else {
    in_turn(journal_answers_, at_once, hand_over);
  }
}

void SimWorld::lose_leadership() {
  if (is_leading()) {
    leads_ = false;
    if (bug_ != SimBug::acts_without_leadership) {
      take(rules::LeadershipLost{});
    }
  }
}

void SimWorld::lose_database() {
  is_database_up_ = false;
  lose_feed();
}

void SimWorld::find_leadership() {
  if (is_up_ && !leads_) {
    leads_ = true;
    read();
  }
}

// --- The executor and everything else that is started

void SimWorld::start(const rules::Action& action) {
  witness.on_action(action);
  if (const auto* snapshot = std::get_if<rules::TakeSnapshot>(&action)) {
    start_snapshot(*snapshot);
  } else if (const auto* deploy = std::get_if<rules::Deploy>(&action)) {
    start_deploy(*deploy);
    if (bug_ == SimBug::dispatches_twice) {
      witness.on_action(action);
    }
  } else if (const auto* followed = std::get_if<rules::FollowDeploy>(&action)) {
    follow(*followed);
  } else if (const auto* cancelled = std::get_if<rules::CancelDeploy>(&action)) {
    cancel_run(cancelled->event);
  } else if (const auto* reverted = std::get_if<rules::RevertMigrations>(&action)) {
    revert(*reverted);
  } else if (const auto* asked = std::get_if<rules::ReadControl>(&action)) {
    control_asked_ = asked->number;
    read_control();
  } else if (const auto* probe = std::get_if<rules::ProbeHealth>(&action)) {
    while_alive(chance_.takes(probe_takes), [this, event = probe->event] {
      take(rules::HealthUrlAnswered{event, health_url_ok_, ""});
    });
  } else if (const auto* rebuild = std::get_if<rules::RebuildWindows>(&action)) {
    recount(*rebuild);
  }
}

void SimWorld::start_snapshot(const rules::TakeSnapshot& snapshot) {
  std::optional<double> utilisation;
  std::optional<bool> unhealthy;
  for (const rules::Field& sample : snapshot.samples) {
    if (sample.key == "previous_unhealthy") {
      unhealthy = std::get<bool>(sample.value);
    }
    if (sample.key == "connection_utilisation") {
      utilisation = std::get<double>(sample.value);
    }
  }
  const rules::SnapshotTaken taken{snapshot.deployment, snapshot.type, "snapshot", {}};
  while_alive(std::min<rules::Duration>(chance_.takes(snapshot_takes), rules::seconds{2}),
              [this, taken, utilisation, unhealthy] {
                database_.keep_snapshot(taken, utilisation, unhealthy);
                take(taken);
              });
}

std::vector<rules::EventId> SimWorld::running() const { return {running_.begin(), running_.end()}; }

void SimWorld::decided(const rules::Output& output) {
  for (const rules::Explanation& explanation : output.explanations) {
    witness.on_explanation(explanation);
  }
  if (output.audit) {
    witness.on_audit(*output.audit);
  }
  for (const rules::Answer& answer : output.answers) {
    witness.on_answer(answer);
  }
}

void SimWorld::committed(const rules::Commit& commit, rules::Duration waited) {
  static_cast<void>(commit);
  static_cast<void>(waited);
}

}  // namespace rollbackd::tests
