// What becomes of a rollback after its dispatch (DESIGN.md section 5).

#include <string>

#include <doctest/doctest.h>

#include "rules/execution.hpp"
#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::AlertKind;
using rules::Deployment;
using rules::DeploymentStatus;
using rules::DeployOutcome;
using rules::PutInService;
using rules::Reason;
using rules::Rollback;
using rules::RollbackStatus;
using rules::StepName;

// A rollback of v2 that was dispatched two seconds after noon.
struct Dispatched : Bench {
  explicit Dispatched(rules::Policy policy = {}) : Bench{std::move(policy)} {
    errors(6);
    take(rules::SnapshotTaken{numbered_id(2), rules::SnapshotType::pre_rollback, "an id", {}});
    feed_back_rows();
    pass(2);
    REQUIRE(started<rules::Deploy>().size() == 1);
    event = rollback()->id;
  }

  void start() { take(rules::DeployStarted{event, "pid 7"}); }
  void end(DeployOutcome outcome, const std::string& detail = "exit status 0") {
    take(rules::DeployEnded{event, outcome, detail});
    feed_back_rows();
  }
  // The last row written of this rollback; a decision about a later one does not count.
  [[nodiscard]] Rollback row_now() const {
    Rollback found;
    for (const auto& put : written<rules::PutRollback>()) {
      found = put.rollback.id == event ? put.rollback : found;
    }
    return found;
  }
  [[nodiscard]] const Deployment& replacement() const {
    return *world().deployments.find(row_now().replacement);
  }

  rules::EventId event;
};

void expect_restored(const Dispatched& bench) {
  CHECK(row_of(bench.world(), 2).status == DeploymentStatus::in_progress);
  CHECK(row_of(bench.world(), 2).health_check_passed);
  CHECK(bench.replacement().status == DeploymentStatus::failed);
  CHECK(bench.written<PutInService>().empty());
}

void expect_latched(const Dispatched& bench) {
  CHECK(bench.row_now().status == RollbackStatus::failed);
  const auto& state = bench.world().services.at(app);
  REQUIRE(state.latch);
  CHECK(state.latch->event == bench.event);
  CHECK(state.latch->deployment == numbered_id(2));
  CHECK(state.automatic_ended_at == bench.row_now().completed_at);
  CHECK(bench.told("rollback_failed") == 1);
  CHECK(bench.written<rules::Alert>().back().kind == AlertKind::failed);
  CHECK(bench.decider.active_rollbacks() == 0);
}

}  // namespace

TEST_CASE("ends: a deploy that starts is awaited") {
  Dispatched bench;
  CHECK(steps_text(bench.row_now()) == "ssksippp");
  bench.start();
  CHECK(steps_text(bench.row_now()) == "sskssipp");
  CHECK(bench.row_now().step(StepName::trigger_deploy).metadata ==
        rules::Fields{{"detail", std::string{"pid 7"}}});
  bench.pass(300);
  CHECK(bench.row_now().status == RollbackStatus::in_progress);
}

TEST_CASE("ends: a deploy that succeeded puts the replacement in service after the settling") {
  Dispatched bench;
  bench.start();
  bench.pass(3);
  bench.end(DeployOutcome::succeeded);
  const auto serving = bench.written<PutInService>();
  REQUIRE(serving.size() == 1);
  CHECK(serving[0].replacement == bench.row_now().replacement);
  CHECK(serving[0].deployed_at == at(15));  // two, three, and ten of settling
  CHECK(bench.row_now().serving_from == at(15));
  CHECK(steps_text(bench.row_now()) == "ssksssip");
  CHECK(bench.row_now().step(StepName::await_deploy).metadata ==
        rules::Fields{{"detail", std::string{"exit status 0"}}});
}

TEST_CASE("ends: an executor that only says how it ended has been started all the same") {
  Dispatched bench;
  bench.end(DeployOutcome::succeeded);
  CHECK(steps_text(bench.row_now()) == "ssksssip");
}

TEST_CASE("ends: success when the replacement's first whole window is quiet") {
  Dispatched bench;
  bench.start();
  bench.end(DeployOutcome::succeeded);
  bench.pass(69);
  CHECK(bench.row_now().status == RollbackStatus::in_progress);
  bench.pass(1);
  const Rollback r = bench.row_now();
  CHECK(r.status == RollbackStatus::success);
  CHECK_FALSE(r.ended_by);
  CHECK(r.completed_at == bench.now);
  CHECK(steps_text(r) == "ssksssss");
  CHECK(r.step(StepName::verify_health).metadata.front() ==
        rules::Field{"evidence", std::string{"silence"}});
  CHECK(row_of(bench.world(), 2).status == DeploymentStatus::rolled_back);
  CHECK(bench.replacement().status == DeploymentStatus::success);
  CHECK(bench.told("rollback_completed") == 1);
  CHECK(bench.all_told("rollback_completed")[0].description ==
        "Health returned 72 seconds after the decision");
  CHECK(bench.written<rules::Alert>().back().kind == AlertKind::completed);
  CHECK_FALSE(bench.world().services.at(app).latch);
  CHECK(bench.world().services.at(app).automatic_ended_at == bench.now);
  CHECK(bench.decider.active_rollbacks() == 0);
}

TEST_CASE("ends: errors until the end of the settling stay the bad one's") {
  Dispatched bench;
  bench.end(DeployOutcome::succeeded);
  bench.pass(9);
  bench.errors(50);
  bench.pass(61);
  CHECK(bench.row_now().status == RollbackStatus::success);
}

TEST_CASE(
    "ends: still unhealthy is failed at once; the replacement stays in service, without a pass") {
  Dispatched bench;
  bench.end(DeployOutcome::succeeded);
  bench.pass(11);
  bench.errors(6);
  const Rollback r = bench.row_now();
  CHECK(r.ended_by == Reason::still_unhealthy);
  CHECK(steps_text(r) == "ssksssfs");
  CHECK(r.step(StepName::verify_health).error ==
        "Still unhealthy: High error rate: 6 errors/minute");
  CHECK(bench.replacement().status == DeploymentStatus::success);
  CHECK_FALSE(bench.replacement().health_check_passed);
  CHECK(row_of(bench.world(), 2).status == DeploymentStatus::rolled_back);
  CHECK(bench.written<rules::RestoreDeployment>().empty());
  expect_latched(bench);
  CHECK(bench.all_told("rollback_failed")[0].severity == "error");
}

TEST_CASE("ends: a refused deploy fails step 5, and nothing was rolled back") {
  Dispatched bench;
  bench.end(DeployOutcome::not_started, "no such program");
  const Rollback r = bench.row_now();
  CHECK(r.ended_by == Reason::deploy_failed);
  CHECK(steps_text(r) == "ssksfkks");
  CHECK(r.step(StepName::trigger_deploy).error == "no such program");
  expect_restored(bench);
  expect_latched(bench);
}

TEST_CASE("ends: a deploy that fails after its start fails step 6") {
  Dispatched bench;
  bench.start();
  bench.pass(30);
  bench.end(DeployOutcome::failed, "exit status 1");
  const Rollback r = bench.row_now();
  CHECK(r.ended_by == Reason::deploy_failed);
  CHECK(steps_text(r) == "sskssfks");
  CHECK(r.step(StepName::await_deploy).error == "exit status 1");
  expect_restored(bench);
  expect_latched(bench);
}

TEST_CASE("ends: nobody knows how it ended: failed, as a deploy that did not succeed") {
  Dispatched bench;
  bench.start();
  bench.end(DeployOutcome::unknown, "timed out");
  CHECK(bench.row_now().ended_by == Reason::outcome_unknown);
  CHECK(steps_text(bench.row_now()) == "sskssfks");
  expect_restored(bench);
  expect_latched(bench);
}

TEST_CASE("ends: after a failed rollback nothing further happens until a later deployment") {
  Dispatched bench;
  bench.end(DeployOutcome::failed);
  bench.forget();
  for (int i = 0; i < 40; ++i) {
    bench.pass(30);
    bench.errors(20);
  }
  CHECK(bench.written<rules::PutRollback>().empty());
  CHECK(bench.started<rules::Deploy>().empty());
  bench.pass(360);  // v2 is quiet in its last minute
  bench.put(row(3, bench.now));
  bench.errors(6);
  CHECK(bench.told("rollback_initiated") == 1);
}

TEST_CASE(
    "ends: what was rolled back never passes its probation again, however the rollback ended") {
  Dispatched bench;
  Deployment v2 = row_of(bench.world(), 2);
  bench.end(DeployOutcome::failed);
  v2 = row_of(bench.world(), 2);
  v2.health_check_passed = false;
  bench.put(v2);
  bench.pass(3600);
  CHECK(bench.written<rules::PassProbation>().empty());
}

TEST_CASE("ends: a failed rollback that a person asked for latches, without a cooldown") {
  Bench bench;
  bench.take(rules::ManualRequest{numbered_id(2), "looks wrong", ""});
  bench.take(rules::SnapshotTaken{numbered_id(2), rules::SnapshotType::pre_rollback, "an id", {}});
  bench.take(rules::DeployEnded{bench.rollback()->id, DeployOutcome::failed, "exit status 1"});
  CHECK(bench.world().services.at(app).latch);
  CHECK_FALSE(bench.world().services.at(app).automatic_ended_at);
}

TEST_CASE(
    "ends: a newer deployment during the deploy: it stays current, the rollback is superseded") {
  Dispatched bench;
  bench.start();
  bench.pass(1);
  bench.put(row(3, at(2.5)));
  CHECK(bench.row_now().status == RollbackStatus::in_progress);
  bench.pass(2);
  bench.end(DeployOutcome::succeeded);
  const Rollback r = bench.row_now();
  CHECK(r.status == RollbackStatus::aborted);
  CHECK(r.ended_by == Reason::superseded);
  CHECK(steps_text(r) == "ssksssks");
  CHECK(bench.replacement().deployed_at == at(2.5) - rules::Duration{1});
  CHECK(bench.replacement().status == DeploymentStatus::success);
  CHECK(row_of(bench.world(), 2).status == DeploymentStatus::rolled_back);
  CHECK(bench.world().deployments.at(app, bench.now)->row == 3);
  CHECK_FALSE(bench.world().services.at(app).latch);
  CHECK(bench.all_told("rollback_aborted").at(0).severity == "error");
  CHECK(bench.all_told("rollback_aborted")[0].description ==
        "Two deploys met: v3 was deployed meanwhile");
  CHECK(bench.written<rules::Alert>().back().kind == AlertKind::aborted);
}

TEST_CASE(
    "ends: a newer deployment during the verification keeps what the replacement has served") {
  Dispatched bench;
  bench.end(DeployOutcome::succeeded);
  bench.pass(20);
  bench.put(row(3, bench.now));
  const Rollback r = bench.row_now();
  CHECK(r.ended_by == Reason::superseded);
  CHECK(steps_text(r) == "ssksssks");
  CHECK(bench.written<PutInService>().back().deployed_at == at(12));
  CHECK(bench.decider.active_rollbacks() == 0);
  bench.errors(6);  // the new one is judged by its own events
  CHECK(bench.explained().back() == "cooldown");
}

TEST_CASE("ends: a health_url is asked once a second at most, and its answer decides") {
  rules::Policy policy;
  policy.verify_health_url = true;
  Dispatched bench{policy};
  bench.end(DeployOutcome::succeeded);
  bench.pass(70);
  CHECK(bench.started<rules::ProbeHealth>().size() == 1);
  bench.take(rules::HealthUrlAnswered{bench.event, false, "503"});
  bench.take(rules::Tick{});
  CHECK(bench.started<rules::ProbeHealth>().size() == 1);
  bench.pass(1);
  CHECK(bench.started<rules::ProbeHealth>().size() == 2);
  bench.pass(1);  // not answered yet
  CHECK(bench.started<rules::ProbeHealth>().size() == 2);
  bench.take(rules::HealthUrlAnswered{bench.event, true, "200"});
  CHECK(bench.row_now().status == RollbackStatus::success);
}

TEST_CASE("ends: an answer of health_url that came too late is not believed later") {
  rules::Policy policy;
  policy.verify_health_url = true;
  Dispatched bench{policy};
  bench.end(DeployOutcome::succeeded);
  bench.pass(70);
  bench.errors(2);
  bench.take(rules::HealthUrlAnswered{bench.event, true, "200"});
  CHECK(bench.row_now().status == RollbackStatus::in_progress);
  bench.pass(60);
  CHECK(bench.row_now().status == RollbackStatus::in_progress);
  CHECK(bench.started<rules::ProbeHealth>().size() == 2);
}

TEST_CASE("ends: answers about a rollback that nobody drives are dropped") {
  Bench bench;
  const rules::EventId stranger;
  bench.take(rules::DeployStarted{stranger, ""});
  bench.take(rules::DeployEnded{stranger, DeployOutcome::succeeded, ""});
  bench.take(rules::HealthUrlAnswered{stranger, true, ""});
  bench.take(rules::SnapshotTaken{numbered_id(2), rules::SnapshotType::pre_rollback, "an id", {}});
  CHECK(bench.entries.empty());
  CHECK(bench.actions.empty());
}

}  // namespace rollbackd::tests
