// The eight steps of a rollback, up to and without the dispatch (DESIGN.md section 5).

#include "rules/execution.hpp"

#include <string>

#include <doctest/doctest.h>

#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deploy;
using rules::Deployment;
using rules::DeploymentStatus;
using rules::Reason;
using rules::RollbackStatus;
using rules::StepName;

rules::SnapshotTaken snapshot_taken(
    const std::string& id = "11111111-1111-1111-1111-111111111111") {
  return {numbered_id(2), rules::SnapshotType::pre_rollback, id, id.empty() ? "too late" : ""};
}

// An automatic rollback of v2 that has been decided.
Bench decided(rules::Policy policy = {}) {
  Bench bench{std::move(policy)};
  bench.errors(6);
  return bench;
}

// One that has come as far as the mark and waits for `confirm`.
Bench marked(rules::Policy policy = {}) {
  Bench bench = decided(std::move(policy));
  bench.take(snapshot_taken());
  bench.feed_back_rows();
  return bench;
}

void expect_aborted(const Bench& bench, Reason reason, bool restored) {
  const rules::Rollback r = *bench.rollback();
  CHECK(r.status == RollbackStatus::aborted);
  CHECK(r.ended_by == reason);
  CHECK(r.completed_at == bench.now);
  CHECK_FALSE(r.claimed_at);
  CHECK(r.step(StepName::trigger_deploy).status == rules::StepStatus::skipped);
  CHECK(r.step(StepName::record_result).status == rules::StepStatus::success);
  CHECK(bench.started<Deploy>().empty());
  CHECK(bench.written<rules::RestoreDeployment>().size() == (restored ? 1 : 0));
  CHECK(bench.told("rollback_aborted") == 1);
  CHECK(bench.written<rules::Alert>().back().kind == rules::AlertKind::aborted);
  CHECK(bench.decider.active_rollbacks() == 0);
  // No cooldown and no latch.
  const auto& state = bench.world().services.at(app);
  CHECK_FALSE(state.latch);
  CHECK_FALSE(state.automatic_ended_at);
}

}  // namespace

TEST_CASE("execution: all eight steps are in the row from the start") {
  const Bench bench = decided();
  CHECK(steps_text(*bench.rollback()) == "ippppppp");
  CHECK(bench.rollback()->step(StepName::create_pre_rollback_snapshot).started_at == noon);
}

TEST_CASE("execution: the snapshot is asked for when the row is written, not before") {
  Bench bench;
  bench.step(bench.batch({}, {logged(noon, 6)}));
  CHECK(bench.actions.empty());
  bench.confirm_all();
  REQUIRE(bench.started<rules::TakeSnapshot>().size() == 1);
  CHECK(bench.started<rules::TakeSnapshot>()[0].type == rules::SnapshotType::pre_rollback);
  CHECK(bench.started<rules::TakeSnapshot>()[0].deployment == numbered_id(2));
}

TEST_CASE(
    "execution: the snapshot's answer leads to target, migrations and mark in one transaction") {
  Bench bench = decided();
  bench.now = at(0.04);
  bench.take(snapshot_taken());
  const rules::Rollback r = *bench.rollback();
  CHECK(steps_text(r) == "sskspppp");
  CHECK(r.status == RollbackStatus::in_progress);
  const auto& first = r.step(StepName::create_pre_rollback_snapshot);
  CHECK(first.started_at == noon);
  CHECK(first.completed_at == bench.now);
  CHECK(first.metadata ==
        rules::Fields{{"snapshot_id", std::string{"11111111-1111-1111-1111-111111111111"}}});
  CHECK(r.step(StepName::identify_target).metadata ==
        rules::Fields{{"target", numbered_id(1).text()}, {"version", std::string{"v1"}}});
  const auto marks = bench.written<rules::MarkRolledBack>();
  REQUIRE(marks.size() == 1);
  CHECK(marks[0].deployment == numbered_id(2));
  CHECK(marks[0].from == DeploymentStatus::in_progress);
  CHECK(marks[0].target == numbered_id(1));
  CHECK(marks[0].replacement == r.replacement);
  CHECK(marks[0].at == bench.now);
}

TEST_CASE("execution: a snapshot that failed is journaled and holds nothing up") {
  Bench bench = decided();
  bench.take(snapshot_taken(""));
  const rules::Rollback r = *bench.rollback();
  CHECK(steps_text(r) == "fskspppp");
  CHECK(r.step(StepName::create_pre_rollback_snapshot).error == "too late");
  bench.pass(2);
  CHECK(bench.started<Deploy>().size() == 1);
}

TEST_CASE("execution: the dispatch comes no earlier than confirm after the decision") {
  Bench bench = marked();
  CHECK(bench.decider.wake_at() == at(2));
  bench.now = at(1.999999);
  bench.take(rules::Tick{});
  CHECK(bench.started<Deploy>().empty());
  bench.now = at(2);
  bench.take(rules::Tick{});
  REQUIRE(bench.started<Deploy>().size() == 1);
  CHECK_FALSE(bench.decider.wake_at());
}

TEST_CASE("execution: the claim is committed before the dispatch") {
  Bench bench = marked();
  bench.now = at(2);
  bench.step(rules::Tick{});
  REQUIRE(bench.on_their_way.size() == 1);
  CHECK(bench.started<Deploy>().empty());
  const auto& claim = std::get<rules::PutRollback>(bench.on_their_way.front().entries.front());
  CHECK(claim.rollback.claimed_at == at(2));
  CHECK(steps_text(claim.rollback) == "ssksippp");
  bench.confirm_all();
  CHECK(bench.started<Deploy>().size() == 1);
  CHECK(row_of(bench.world(), 2).rollback_dispatched);
}

TEST_CASE("execution: the dispatch names the replacement, the bad one, and the target's version") {
  Bench bench = marked();
  bench.pass(2);
  const Deploy deploy = bench.started<Deploy>().at(0);
  const rules::Rollback r = *bench.rollback();
  CHECK(deploy.event == r.id);
  CHECK(deploy.service == app);
  CHECK(deploy.replacement == r.replacement);
  CHECK(deploy.rolled_back == numbered_id(2));
  CHECK(deploy.version == "v1");
  CHECK(deploy.git_commit == "c1");
  CHECK(deploy.reason == "High error rate: 6 errors/minute");
}

TEST_CASE("execution: a confirm of 0 s dispatches as soon as the mark is written") {
  rules::Policy policy;
  policy.confirm = rules::Duration{0};
  const Bench bench = marked(policy);
  CHECK(bench.started<Deploy>().size() == 1);
}

TEST_CASE("execution: a target that is none any more aborts before anything is marked") {
  Bench bench = decided();
  Deployment v1 = row_of(bench.world(), 1);
  v1.health_check_passed = false;
  bench.put(v1);
  bench.take(snapshot_taken());
  expect_aborted(bench, Reason::no_target, false);
  CHECK(steps_text(*bench.rollback()) == "sfkkkkks");
  CHECK(bench.written<rules::MarkRolledBack>().empty());
}

TEST_CASE("execution: it must be the validated target, not just any") {
  Bench bench = decided();
  bench.put(good_row(5, at(-1000)));
  bench.take(snapshot_taken());
  expect_aborted(bench, Reason::no_target, false);
}

TEST_CASE("execution: a newer deployment before the dispatch aborts it, and the row is as it was") {
  Bench bench = marked();
  bench.put(row(3, at(0.5)));
  bench.pass(2);
  expect_aborted(bench, Reason::superseded, true);
  CHECK(steps_text(*bench.rollback()) == "sskskkks");
  const auto restored = bench.written<rules::RestoreDeployment>().at(0);
  CHECK(restored.deployment == numbered_id(2));
  CHECK(restored.status == DeploymentStatus::in_progress);
  CHECK(restored.health_check_passed);
  CHECK(restored.replacement == bench.rollback()->replacement);
}

TEST_CASE("execution: what is put back is the row as it was marked, not as it was decided") {
  Bench bench = decided();
  Deployment v2 = row_of(bench.world(), 2);
  v2.status = DeploymentStatus::success;
  v2.health_check_passed = false;
  bench.put(v2);
  bench.take(snapshot_taken());
  bench.feed_back_rows();
  bench.put(row(3, at(0.5)));
  bench.pass(2);
  const auto restored = bench.written<rules::RestoreDeployment>().at(0);
  CHECK(restored.status == DeploymentStatus::success);
  CHECK_FALSE(restored.health_check_passed);
}

TEST_CASE("execution: a guard that has come up in the meantime aborts an automatic one") {
  Bench bench = marked();
  Deployment failed = row(3, at(-100), DeploymentStatus::failed);
  failed.completed_at = at(-50);
  bench.put(failed);
  bench.pass(2);
  expect_aborted(bench, Reason::failed_deploy, true);
}

TEST_CASE("execution: evidence of more than ten minutes ago is stale") {
  Bench bench = marked();
  bench.now = at(600);
  bench.take(rules::Tick{});
  CHECK(bench.started<Deploy>().empty());  // nothing goes on while the windows are of the past
  bench.take(bench.batch());
  CHECK(bench.started<Deploy>().size() == 1);  // exactly ten minutes are not more
  Bench late = marked();
  late.now = at(600) + rules::Duration{1};
  late.take(late.batch());
  expect_aborted(late, Reason::stale, true);
}

TEST_CASE("execution: what is aborted as stale is judged anew") {
  Bench bench = marked();
  const auto first = bench.rollback()->id;
  bench.now = at(601);
  bench.take(bench.batch());
  bench.feed_back_rows();
  bench.errors(6);
  REQUIRE(bench.decider.active_rollbacks() == 1);
  CHECK(bench.rollback()->id != first);
}

TEST_CASE(
    "execution: a person's rollback has no confirm, and no guard but a newer deployment stops it") {
  const rules::ManualRequest request{numbered_id(2), "looks wrong", ""};
  Bench bench;
  Deployment failed = row(3, at(-100), DeploymentStatus::failed);
  failed.completed_at = at(-50);
  bench.put(failed);
  bench.take(request);
  bench.take(snapshot_taken());
  CHECK(bench.started<Deploy>().size() == 1);
  Bench late;
  late.take(request);
  late.put(row(3, at(0)));
  late.take(snapshot_taken());
  expect_aborted(late, Reason::superseded, true);
}

TEST_CASE("execution: while the feed has a gap nothing is marked and nothing dispatched") {
  Bench bench = decided();
  bench.take(rules::FeedLost{"simulated"});
  bench.take(snapshot_taken());
  CHECK(bench.written<rules::MarkRolledBack>().empty());
  CHECK(steps_text(*bench.rollback()) == "ippppppp");
  bench.now = at(1);
  bench.take(rules::FeedRebuilt{bench.now,
                                "reconnected",
                                {row_of(bench.world(), 1), row_of(bench.world(), 2)},
                                {logged(noon, 6)}});
  bench.feed_back_rows();
  CHECK(steps_text(*bench.rollback()) == "sskspppp");
  bench.take(rules::FeedLost{"simulated"});
  CHECK_FALSE(bench.decider.wake_at());
  bench.now = at(5);
  bench.take(rules::Tick{});
  CHECK(bench.started<Deploy>().empty());
}

TEST_CASE("execution: a newer deployment that came in the gap is seen before the dispatch") {
  Bench bench = marked();
  bench.take(rules::FeedLost{"simulated"});
  bench.now = at(5);
  std::vector<Deployment> rows;
  for (const Deployment* d : bench.world().deployments.of(app)) {
    rows.push_back(*d);
  }
  rows.push_back(row(3, at(3)));
  bench.take(rules::FeedRebuilt{bench.now, "reconnected", rows, {}});
  expect_aborted(bench, Reason::superseded, true);
}

TEST_CASE("execution: nothing is wanted while a transaction is on its way") {
  Bench bench = decided();
  bench.step(snapshot_taken());
  REQUIRE(bench.on_their_way.size() == 1);
  bench.now = at(10);
  bench.step(rules::Tick{});
  bench.step(snapshot_taken());
  CHECK(bench.on_their_way.size() == 1);
  CHECK_FALSE(bench.decider.wake_at());
}

TEST_CASE("execution: a step is told in a story of its own, with how long it took") {
  Bench bench = decided();
  bench.now = at(0.5);
  bench.take(snapshot_taken());
  const auto told = bench.all_told("rollback_step");
  REQUIRE(told.size() == 3);
  CHECK(told[0].description == "create_pre_rollback_snapshot: success");
  CHECK(told[0].metadata.back() == rules::Field{"duration_seconds", 0.5});
  CHECK(told[0].metadata.front() == rules::Field{"event_id", bench.rollback()->id.text()});
  CHECK(told[1].description == "identify_target: success");
  CHECK(told[2].description == "mark_rolled_back: success");
}

}  // namespace rollbackd::tests
