// What was dispatched and given up, and two deploys that met (DESIGN.md section 5).

#include "rules/late_run.hpp"

#include <string>

#include <doctest/doctest.h>

#include "rules/limits.hpp"
#include "tests/support/rollback_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::AmendRollback;
using rules::CancelDeploy;
using rules::Deploy;
using rules::DeploymentStatus;
using rules::DeployOutcome;
using rules::FollowDeploy;
using rules::Reason;
using rules::Rollback;
using rules::RollbackStatus;
using rules::SettleLate;
using rules::StepName;

// One that was given up, and is followed.
RollbackBench given_up(DeployOutcome outcome = DeployOutcome::unknown) {
  RollbackBench bench;
  bench.claim();
  if (outcome == DeployOutcome::timed_out) {
    bench.start();
  }
  bench.end(outcome, "no run has its marker");
  return bench;
}

// Its successor, which knows what is in the journal.
void restart(RollbackBench& bench) {
  rules::JournalRead journal;
  journal.followed = {bench.row_now()};
  journal.histories = {{app, rules::Latch{bench.event, numbered_id(2)}, {}, {}}};
  bench.take(rules::LeadershipLost{});
  bench.take(journal);
}

}  // namespace

TEST_CASE("late: what may still run is followed after its rollback has failed") {
  for (const auto outcome : {DeployOutcome::unknown, DeployOutcome::timed_out}) {
    const RollbackBench bench = given_up(outcome);
    const bool known = outcome == DeployOutcome::timed_out;
    const Rollback r = bench.row_now();
    CHECK(r.status == RollbackStatus::failed);
    CHECK(r.ended_by == (known ? Reason::deploy_failed : Reason::outcome_unknown));
    CHECK(r.followed_until == bench.now + rules::limits::follow_late);
    CHECK(bench.is_restored());
    CHECK(bench.is_latched());
    REQUIRE(bench.started<FollowDeploy>().size() == 1);
    const FollowDeploy follow = bench.started<FollowDeploy>()[0];
    CHECK(follow.late);
    CHECK(follow.run == (known ? "run-1" : ""));
    CHECK(follow.claimed_at == *r.claimed_at);
    CHECK(bench.decider.wake_at() == r.followed_until);
  }
}

TEST_CASE("late: a command and a webhook leave nothing to follow, and neither does a known end") {
  for (const std::string executor : {"command", "webhook"}) {
    RollbackBench bench{policy_of_executor(executor)};
    bench.claim();
    bench.end(DeployOutcome::unknown);
    CHECK_FALSE(bench.row_now().followed_until);
    CHECK(bench.started<FollowDeploy>().empty());
  }
  for (const auto outcome : {DeployOutcome::failed, DeployOutcome::cancelled}) {
    RollbackBench bench;
    bench.claim();
    bench.end(outcome);
    CHECK_FALSE(bench.row_now().followed_until);
    CHECK(bench.row_now().ended_by == Reason::deploy_failed);
  }
}

TEST_CASE("late: a success settles the rows, and the rollback stays failed and latched") {
  RollbackBench bench = given_up();
  bench.pass(100);
  bench.start("run-9");
  CHECK(bench.row_now().run == "run-9");
  CHECK(bench.row_now().run_url == "https://runs/run-9");
  bench.pass(20);
  const rules::Instant then = bench.now;
  bench.end(DeployOutcome::succeeded);
  REQUIRE(bench.written<SettleLate>().size() == 1);
  CHECK(bench.written<SettleLate>()[0].deployed_at == then + rules::seconds{10});
  const Rollback r = bench.row_now();
  CHECK(r.status == RollbackStatus::failed);
  CHECK(r.ended_by == Reason::outcome_unknown);
  CHECK(r.late_outcome == "succeeded");
  CHECK(bench.is_latched());
  CHECK(row_of(bench.world(), 2).status == DeploymentStatus::rolled_back);
  CHECK(bench.replacement().status == DeploymentStatus::success);
  CHECK(bench.all_told("warning").back().severity == "warning");
  CHECK(bench.written<rules::Alert>().back().kind == rules::AlertKind::late_success);
  CHECK_FALSE(bench.decider.wake_at());
  bench.forget();
  bench.end(DeployOutcome::failed);
  CHECK(bench.entries.empty());
}

TEST_CASE("late: what succeeded goes before a deployment that is newer") {
  RollbackBench bench = given_up();
  bench.pass(10);
  bench.put(row(3, bench.now));
  const rules::Instant newer = bench.now;
  bench.pass(10);
  bench.end(DeployOutcome::succeeded);
  CHECK(bench.written<SettleLate>().at(0).deployed_at == newer - rules::Duration{1});
  CHECK(bench.world().deployments.at(app, bench.now)->row == 3);
}

TEST_CASE("late: that nobody knows more yet is no end of the run") {
  for (const auto outcome :
       {DeployOutcome::unknown, DeployOutcome::timed_out, DeployOutcome::refused}) {
    RollbackBench bench = given_up();
    bench.end(outcome);
    CHECK(bench.row_now().late_outcome.empty());
    bench.end(DeployOutcome::succeeded);
    CHECK(bench.row_now().late_outcome == "succeeded");
  }
}

TEST_CASE("late: the answer that ended the rollback does not end the following of its run") {
  RollbackBench bench;
  bench.claim();
  bench.step(rules::DeployEnded{bench.event, DeployOutcome::unknown, "nothing found", {}, {}});
  // It is written, and the confirmation gets lost.
  const auto written =
      std::get<rules::PutRollback>(bench.on_their_way.front().entries.front()).rollback;
  bench.fail_commit();
  rules::JournalRead journal;
  journal.followed = {written};
  bench.take(journal);
  CHECK(bench.written<AmendRollback>().empty());
  REQUIRE(bench.started<FollowDeploy>().size() == 1);
  CHECK(bench.started<FollowDeploy>()[0].late);
}

TEST_CASE("late: another end is noted, and the rows stay as they are") {
  for (const auto outcome : {DeployOutcome::failed, DeployOutcome::cancelled}) {
    RollbackBench bench = given_up();
    bench.pass(10);
    bench.end(outcome);
    CHECK(bench.written<SettleLate>().empty());
    CHECK(bench.is_restored());
    CHECK_FALSE(bench.row_now().late_outcome.empty());
    for (const auto& alert : bench.written<rules::Alert>()) {
      CHECK(alert.kind != rules::AlertKind::late_success);
    }
  }
}

TEST_CASE("late: it is followed for half an hour and no longer") {
  RollbackBench bench = given_up();
  const rules::Instant until = *bench.row_now().followed_until;
  bench.now = until - rules::Duration{1};
  bench.take(rules::Tick{});
  CHECK(bench.written<AmendRollback>().empty());
  bench.now = until;
  bench.take(rules::Tick{});
  CHECK(bench.row_now().late_outcome == "unknown");
  CHECK_FALSE(bench.decider.wake_at());
}

TEST_CASE("late: a successor goes on with it") {
  RollbackBench bench = given_up();
  restart(bench);
  CHECK(bench.started<FollowDeploy>().size() == 2);
  CHECK(bench.started<FollowDeploy>().back().late);
  bench.end(DeployOutcome::succeeded);
  CHECK(bench.written<SettleLate>().size() == 1);
  CHECK(bench.row_now().late_outcome == "succeeded");
}

TEST_CASE("late: a success that could not be written is not forgotten") {
  RollbackBench bench = given_up();
  bench.step(rules::DeployEnded{bench.event, DeployOutcome::succeeded, "", {}, {}});
  bench.fail_commit();
  restart(bench);
  CHECK(bench.written<SettleLate>().size() == 1);
  CHECK(bench.started<FollowDeploy>().size() == 1);
}

TEST_CASE("late: while another rollback of the same deployment is active, the rows are its own") {
  RollbackBench bench = given_up();
  const rules::EventId first = bench.event;
  bench.take(rules::ManualRequest{numbered_id(2), "once more", ""});
  const rules::EventId second = bench.rollback()->id;
  REQUIRE(second != first);
  bench.take_snapshot();
  REQUIRE(bench.started<Deploy>().size() == 2);
  bench.end(DeployOutcome::succeeded);
  CHECK(bench.written<SettleLate>().empty());
  bench.take(rules::DeployEnded{second, DeployOutcome::failed, "", {}, {}});
  CHECK(bench.written<SettleLate>().size() == 1);
  bench.feed_back_rows();
  CHECK(row_of(bench.world(), 2).status == DeploymentStatus::rolled_back);
}

TEST_CASE("met: the run is cancelled once, as soon as a newer deployment is current") {
  RollbackBench bench;
  bench.claim();
  bench.put(row(3, bench.now));
  CHECK(bench.started<CancelDeploy>().empty());  // there is nothing to cancel by name yet
  bench.start();
  REQUIRE(bench.started<CancelDeploy>().size() == 1);
  CHECK(bench.started<CancelDeploy>()[0].run == "run-1");
  bench.pass(30);
  CHECK(bench.started<CancelDeploy>().size() == 1);
  CHECK(bench.row_now().status == RollbackStatus::in_progress);
}

TEST_CASE("met: the replacement is none that supersedes") {
  RollbackBench bench;
  bench.claim();
  bench.start();
  bench.pass(30);
  CHECK(bench.started<CancelDeploy>().empty());
}

TEST_CASE("met: however the run ended, the newer one stays current and nothing is latched") {
  for (const auto outcome :
       {DeployOutcome::succeeded, DeployOutcome::failed, DeployOutcome::cancelled,
        DeployOutcome::timed_out, DeployOutcome::unknown}) {
    for (const bool manual : {false, true}) {
      CAPTURE(static_cast<int>(outcome));
      CAPTURE(manual);
      RollbackBench bench;
      bench.claim(manual);
      bench.start();
      bench.pass(5);
      bench.put(row(3, bench.now));
      const rules::Instant newer = bench.now;
      bench.pass(5);
      bench.end(outcome);
      const bool serves = outcome == DeployOutcome::succeeded;
      const Rollback r = bench.row_now();
      CHECK(r.status == RollbackStatus::aborted);
      CHECK(r.ended_by == Reason::superseded);
      CHECK(r.step(StepName::verify_health).status == rules::StepStatus::skipped);
      CHECK(row_of(bench.world(), 2).status == DeploymentStatus::rolled_back);
      CHECK_FALSE(row_of(bench.world(), 2).health_check_passed);
      CHECK(bench.replacement().status ==
            (serves ? DeploymentStatus::success : DeploymentStatus::failed));
      CHECK((bench.replacement().deployed_at == newer - rules::Duration{1}) == serves);
      CHECK(bench.world().deployments.at(app, bench.now)->row == 3);
      CHECK_FALSE(bench.is_latched());
      CHECK(bench.written<rules::Alert>().back().kind == rules::AlertKind::aborted);
      CHECK(bench.all_told("rollback_aborted").at(0).description.rfind("Two deploys met: v3", 0) ==
            0);
      const bool may_still_run =
          outcome == DeployOutcome::timed_out || outcome == DeployOutcome::unknown;
      CHECK(r.followed_until.has_value() == may_still_run);
    }
  }
}

}  // namespace rollbackd::tests
