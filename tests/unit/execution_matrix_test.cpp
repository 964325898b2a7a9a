// Every outcome, before and after the start, automatic and a person's, and a crash at every point.

#include <array>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "rules/execution.hpp"
#include "tests/support/rollback_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deploy;
using rules::DeployOutcome;
using rules::FollowDeploy;
using rules::Reason;
using rules::Rollback;
using rules::RollbackStatus;

constexpr std::array outcomes{DeployOutcome::succeeded,   DeployOutcome::failed,
                              DeployOutcome::cancelled,   DeployOutcome::timed_out,
                              DeployOutcome::not_started, DeployOutcome::unknown};

// How one story ends, as far as a person can tell.
struct End {
  RollbackStatus status = RollbackStatus::in_progress;
  std::optional<Reason> by;
  std::string late;
  rules::DeploymentStatus bad{};
  rules::DeploymentStatus replacement{};
  bool latched = false;
  std::size_t dispatches = 0;

  friend bool operator==(const End&, const End&) = default;
};

// An executor that can be followed, as GitHub is: what it was asked first is what it goes on with.
class Story {
 public:
  Story(DeployOutcome outcome, bool starts, bool manual)
      : outcome_{outcome}, starts_{starts}, manual_{manual} {}

  // Crashes after so many answers and transactions have been taken in; 0: never.
  End tell(std::size_t crash_after) {
    crash_after_ = crash_after;
    bench_.decide(manual_);
    turn();
    bench_.take_snapshot();
    turn();
    for (int second = 0; second < 120 && bench_.decider.active_rollbacks() != 0; ++second) {
      bench_.pass(1);
      turn();
      answer();
    }
    const Rollback r = bench_.row_now();
    return {r.status,
            r.ended_by,
            r.late_outcome,
            row_of(bench_.world(), 2).status,
            bench_.replacement().status,
            bench_.is_latched(),
            dispatches_ + bench_.started<Deploy>().size()};
  }
  [[nodiscard]] std::size_t turns() const { return turns_; }

 private:
  void answer() {
    const bool asked = !bench_.started<Deploy>().empty() || !bench_.started<FollowDeploy>().empty();
    if (!asked || bench_.decider.active_rollbacks() == 0 || ended_) {
      return;
    }
    if (starts_ && !started_) {
      started_ = true;
      bench_.start();
    } else {
      ended_ = true;
      bench_.end(outcome_);
    }
    turn();
  }

  void turn() {
    bench_.feed_back_rows();
    if (++turns_ != crash_after_ || bench_.decider.active_rollbacks() == 0) {
      return;
    }
    rules::JournalRead journal;
    journal.active = {bench_.row_now()};
    const Rollback row = bench_.row_now();
    bench_.take(rules::LeadershipLost{});
    dispatches_ += bench_.started<Deploy>().size();
    bench_.forget();
    bench_.entries.emplace_back(rules::PutRollback{row});
    bench_.take(journal);
    if (!row.claimed_at || row.serving_from) {
      bench_.take_snapshot();
      return;
    }
    // The successor asks, and is told the same.
    started_ = !row.run.empty();
    ended_ = false;
  }

  RollbackBench bench_;
  DeployOutcome outcome_;
  bool starts_;
  bool manual_;
  bool started_ = false;
  bool ended_ = false;
  std::size_t crash_after_ = 0;
  std::size_t turns_ = 0;
  std::size_t dispatches_ = 0;
};

RollbackStatus status_of(DeployOutcome outcome) {
  return outcome == DeployOutcome::succeeded ? RollbackStatus::success : RollbackStatus::failed;
}

}  // namespace

TEST_CASE("matrix: every outcome ends as it should, and the same after a crash at any point") {
  for (const DeployOutcome outcome : outcomes) {
    for (const bool starts : {false, true}) {
      for (const bool manual : {false, true}) {
        CAPTURE(static_cast<int>(outcome));
        CAPTURE(starts);
        CAPTURE(manual);
        Story undisturbed{outcome, starts, manual};
        const End end = undisturbed.tell(0);
        CHECK(end.status == status_of(outcome));
        CHECK(end.latched == (end.status == RollbackStatus::failed));
        CHECK(end.dispatches == 1);
        CHECK(end.bad == (end.status == RollbackStatus::success
                              ? rules::DeploymentStatus::rolled_back
                              : rules::DeploymentStatus::in_progress));
        CHECK(end.replacement == (end.status == RollbackStatus::success
                                      ? rules::DeploymentStatus::success
                                      : rules::DeploymentStatus::failed));
        if (outcome == DeployOutcome::unknown) {
          CHECK(end.by == Reason::outcome_unknown);
        } else if (end.status == RollbackStatus::failed) {
          CHECK(end.by == Reason::deploy_failed);
        }
        for (std::size_t crash = 1; crash <= undisturbed.turns(); ++crash) {
          CAPTURE(crash);
          CHECK((Story{outcome, starts, manual}.tell(crash) == end));
        }
      }
    }
  }
}

TEST_CASE("matrix: a run is named in the journal before anything is made of its end") {
  for (const DeployOutcome outcome : outcomes) {
    CAPTURE(static_cast<int>(outcome));
    RollbackBench bench;
    bench.claim();
    bench.step(rules::DeployStarted{bench.event, "accepted", "run-1", "https://runs/1"});
    bench.step(rules::DeployEnded{bench.event, outcome, "what it says", {}, {}});
    REQUIRE(bench.on_their_way.size() == 1);
    const auto put = std::get<rules::PutRollback>(bench.on_their_way.front().entries.front());
    CHECK(put.rollback.run == "run-1");
    CHECK(put.rollback.run_url == "https://runs/1");
    CHECK(steps_text(put.rollback) == "sskssipp");
    CHECK(put.rollback.step(rules::StepName::trigger_deploy).metadata ==
          rules::Fields{{"detail", std::string{"accepted"}},
                        {"run", std::string{"run-1"}},
                        {"url", std::string{"https://runs/1"}}});
    bench.confirm_all();
    CHECK(bench.row_now().status == (outcome == DeployOutcome::succeeded
                                         ? RollbackStatus::in_progress
                                         : RollbackStatus::failed));
  }
}

TEST_CASE(
    "matrix: a successor follows the run that the journal names, and looks for one it does not") {
  for (const bool starts : {false, true}) {
    RollbackBench bench;
    bench.claim();
    if (starts) {
      bench.start("run-7");
    }
    rules::JournalRead journal;
    journal.active = {bench.row_now()};
    bench.take(rules::LeadershipLost{});
    bench.take(journal);
    REQUIRE(bench.started<FollowDeploy>().size() == 1);
    const FollowDeploy follow = bench.started<FollowDeploy>()[0];
    CHECK(follow.run == (starts ? "run-7" : ""));
    CHECK(follow.executor == "github");
    CHECK_FALSE(follow.late);
    CHECK(bench.started<Deploy>().size() == 1);
    bench.start("run-7");  // it is found
    CHECK(bench.row_now().run == "run-7");
    CHECK(steps_text(bench.row_now()) == "sskssipp");
    bench.pass(3);
    CHECK(bench.started<FollowDeploy>().size() == 1);
  }
}

TEST_CASE("matrix: a verification is not shortened by a restart, nor begun anew") {
  RollbackBench bench;
  bench.claim();
  bench.start();
  bench.end(DeployOutcome::succeeded);
  const rules::Instant serving = *bench.row_now().serving_from;
  bench.pass(40);
  rules::JournalRead journal;
  journal.active = {bench.row_now()};
  bench.take(rules::LeadershipLost{});
  bench.take(journal);
  CHECK(bench.started<FollowDeploy>().empty());
  while (bench.now < serving + rules::seconds{59}) {
    bench.pass(1);
  }
  CHECK(bench.decider.active_rollbacks() == 1);
  bench.pass(1);
  CHECK(bench.row_now().status == RollbackStatus::success);
}

}  // namespace rollbackd::tests
