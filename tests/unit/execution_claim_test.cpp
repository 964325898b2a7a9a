// The claim: what is looked at right before it, and what becomes of one that led to nothing.

#include <string>

#include <doctest/doctest.h>

#include "rules/execution.hpp"
#include "rules/limits.hpp"
#include "tests/support/rollback_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deploy;
using rules::DeployOutcome;
using rules::ReadControl;
using rules::Reason;
using rules::Rollback;
using rules::RollbackStatus;
using rules::seconds;
using rules::StepName;

// One that waits for its confirm; what can forbid it is not told by itself.
RollbackBench waiting(bool manual = false) {
  RollbackBench bench;
  bench.answers_control = false;
  bench.decide(manual);
  bench.take_snapshot();
  return bench;
}

void expect_stopped(RollbackBench& bench, Reason reason) {
  bench.feed_back_rows();
  const Rollback r = bench.row_now();
  CHECK(r.status == RollbackStatus::aborted);
  CHECK(r.ended_by == reason);
  CHECK_FALSE(r.claimed_at);
  CHECK(r.step(StepName::trigger_deploy).status == rules::StepStatus::skipped);
  CHECK(bench.is_restored());
  CHECK_FALSE(bench.world().services.at(app).automatic_ended_at);
  CHECK_FALSE(row_of(bench.world(), 2).rollback_dispatched);
  CHECK(bench.decider.active_rollbacks() == 0);
}

}  // namespace

TEST_CASE("claim: what can forbid it is read at the end of confirm, and not before") {
  RollbackBench bench = waiting();
  bench.pass(1.5);
  CHECK(bench.started<ReadControl>().empty());
  bench.pass(0.5);
  REQUIRE(bench.started<ReadControl>().size() == 1);
  CHECK_FALSE(bench.decider.wake_at());
  bench.pass(5);
  CHECK(bench.started<ReadControl>().size() == 1);
  CHECK(bench.started<Deploy>().empty());
}

TEST_CASE("claim: only an answer to this question will do, and the claim is of its moment") {
  RollbackBench bench = waiting();
  bench.take(rules::ControlRead{});
  bench.pass(2);
  const auto asked = bench.started<ReadControl>().at(0).number;
  bench.take(rules::ControlRead{asked - 1, {}, {}, {}, false});
  CHECK(bench.started<Deploy>().empty());
  bench.now = at(2.3);
  bench.step(rules::ControlRead{asked + 1, {}, {}, {}, false});
  REQUIRE(bench.on_their_way.size() == 1);
  bench.confirm_all();
  REQUIRE(bench.started<Deploy>().size() == 1);
  CHECK(bench.started<Deploy>()[0].claimed_at == at(2.3));
  CHECK_FALSE(bench.started<Deploy>()[0].through_pause);
  CHECK(bench.row_now().claims == 1);
}

TEST_CASE("claim: an answer that comes while the feed has a gap is not kept for later") {
  RollbackBench bench = waiting();
  bench.pass(2);
  bench.take(rules::FeedLost{"simulated"});
  bench.take(rules::ControlRead{bench.started<ReadControl>().at(0).number, {}, {}, {}, false});
  CHECK(bench.started<Deploy>().empty());
  std::vector<rules::Deployment> rows;
  for (const rules::Deployment* d : bench.world().deployments.of(app)) {
    rows.push_back(*d);
  }
  bench.now = at(3);
  bench.take(rules::FeedRebuilt{bench.now, "reconnected", rows, {logged(noon, 6)}});
  CHECK(bench.started<Deploy>().empty());
  CHECK(bench.started<ReadControl>().size() == 2);
}

TEST_CASE("claim: a pause stops an automatic one and a person's, without latch or cooldown") {
  for (const bool manual : {false, true}) {
    CAPTURE(manual);
    RollbackBench bench;
    bench.control.pause = {true, "kim", "holidays", noon};
    bench.claim(manual);
    CHECK(bench.started<Deploy>().empty());
    expect_stopped(bench, Reason::paused);
    CHECK_FALSE(bench.is_latched());
    CHECK(bench.row_now().step(StepName::trigger_deploy).error == "paused by kim: holidays");
  }
}

TEST_CASE("claim: who set the pause aside goes through it, and so does the dispatch") {
  RollbackBench bench;
  bench.control.pause.on = true;
  bench.claim();
  Rollback journaled = bench.written<rules::PutRollback>().front().rollback;
  RollbackBench other;
  other.control.pause.on = true;
  journaled.overrides = {Reason::paused};
  journaled.type = rules::TriggerType::manual;
  other.take(rules::LeadershipLost{});
  rules::JournalRead journal;
  journal.active = {journaled};
  other.take(journal);
  other.take_snapshot();
  REQUIRE(other.started<Deploy>().size() == 1);
  CHECK(other.started<Deploy>()[0].through_pause);
}

TEST_CASE(
    "claim: what was found right before the dispatch stops it as if it had been found before") {
  for (const bool manual : {false, true}) {
    CAPTURE(manual);
    RollbackBench bench;
    bench.claim(manual);
    REQUIRE(bench.started<Deploy>().size() == 1);
    bench.take(rules::DeployEnded{bench.event, DeployOutcome::not_started, "paused by kim",
                                  rules::Duration{0}, Reason::paused});
    bench.feed_back_rows();
    expect_stopped(bench, Reason::paused);
    CHECK_FALSE(bench.is_latched());
    CHECK(bench.world().claims.empty());
  }
}

TEST_CASE("claim: a certain no that asking again would not change ends it: failed and latched") {
  for (const bool manual : {false, true}) {
    CAPTURE(manual);
    RollbackBench bench;
    bench.claim(manual);
    bench.end(DeployOutcome::not_started, "404: no such workflow");
    CHECK(bench.row_now().ended_by == Reason::deploy_failed);
    CHECK(bench.is_restored());
    CHECK(bench.is_latched());
    CHECK(bench.started<Deploy>().size() == 1);
  }
}

TEST_CASE(
    "claim: a certain no that names a waiting time takes the claim back, and is asked again") {
  for (const bool manual : {false, true}) {
    CAPTURE(manual);
    RollbackBench bench;
    bench.claim(manual);
    const rules::Instant refused = bench.now;
    bench.refuse(seconds{20});
    Rollback r = bench.row_now();
    CHECK_FALSE(r.claimed_at);
    CHECK(r.status == RollbackStatus::in_progress);
    CHECK(r.refused_since == refused);
    CHECK(r.not_before == refused + seconds{20});
    CHECK(steps_text(r) == "sskspppp");
    CHECK(r.step(StepName::trigger_deploy).error == "429: wait");
    CHECK_FALSE(row_of(bench.world(), 2).rollback_dispatched);
    CHECK(bench.decider.wake_at() == refused + seconds{20});
    bench.pass(19);
    CHECK(bench.started<Deploy>().size() == 1);
    bench.pass(1);
    REQUIRE(bench.started<Deploy>().size() == 2);
    r = bench.row_now();
    CHECK(r.claimed_at == bench.started<Deploy>()[1].claimed_at);
    CHECK(r.claims == 2);
    CHECK(r.step(StepName::trigger_deploy).error.empty());
    CHECK(bench.started<ReadControl>().size() == 2);
    bench.start();
    CHECK(bench.row_now().step(StepName::trigger_deploy).metadata.back() ==
          rules::Field{"refused", std::string{"429: wait"}});
    bench.end(DeployOutcome::succeeded);
    bench.pass(80);
    CHECK(bench.row_now().status == RollbackStatus::success);
  }
}

TEST_CASE("claim: everything is looked at again before the next one") {
  RollbackBench paused;
  paused.claim();
  paused.refuse(seconds{20});
  paused.control.pause.on = true;
  paused.pass(20);
  CHECK(paused.started<Deploy>().size() == 1);
  expect_stopped(paused, Reason::paused);
  RollbackBench superseded;
  superseded.claim();
  superseded.refuse(seconds{20});
  superseded.put(row(3, superseded.now));
  superseded.pass(20);
  CHECK(superseded.started<Deploy>().size() == 1);
  expect_stopped(superseded, Reason::superseded);
}

TEST_CASE("claim: the first no may be asked again at once, later ones not before a second") {
  RollbackBench bench;
  bench.claim();
  bench.refuse(rules::Duration{0});
  CHECK(bench.started<Deploy>().size() == 2);
  bench.refuse(rules::Duration{0});
  CHECK(bench.started<Deploy>().size() == 2);
  bench.pass(1);
  CHECK(bench.started<Deploy>().size() == 3);
}

TEST_CASE("claim: after two minutes of certain nos it has failed, and nothing was dispatched") {
  RollbackBench bench;
  bench.claim();
  const rules::Instant first = bench.now;
  bench.refuse(seconds{50});
  while (bench.decider.active_rollbacks() != 0 && bench.now < first + rules::minutes{10}) {
    const auto claims = bench.started<Deploy>().size();
    bench.pass(1);
    if (bench.started<Deploy>().size() > claims) {
      bench.refuse(seconds{50});
    }
  }
  const Rollback r = bench.row_now();
  CHECK(r.claims == 3);  // a fourth would come after the two minutes
  CHECK(bench.now == first + seconds{100});
  CHECK(r.status == RollbackStatus::failed);
  CHECK(r.ended_by == Reason::deploy_failed);
  CHECK_FALSE(r.claimed_at);
  CHECK_FALSE(r.followed_until);
  CHECK(steps_text(r) == "ssksfkks");
  CHECK(r.step(StepName::trigger_deploy).error == "refused, and nothing was dispatched: 429: wait");
  CHECK(bench.is_restored());
  CHECK(bench.is_latched());
  CHECK_FALSE(bench.world().services.at(app).automatic_ended_at);
}

TEST_CASE("claim: patience ends also while nothing can be looked at") {
  RollbackBench bench;
  bench.claim();
  bench.answers_control = false;
  bench.refuse(seconds{20});
  bench.pass(119);
  CHECK(bench.decider.wake_at() == at(2) + rules::limits::refused_patience);
  CHECK(bench.row_now().status == RollbackStatus::in_progress);
  bench.pass(1);
  CHECK(bench.row_now().status == RollbackStatus::failed);
  CHECK(bench.started<Deploy>().size() == 1);
}

TEST_CASE("claim: a no to a question about an earlier dispatch is no certain one") {
  RollbackBench bench;
  bench.claim();
  const Rollback claimed = bench.row_now();
  bench.take(rules::LeadershipLost{});
  rules::JournalRead journal;
  journal.active = {claimed};
  bench.take(journal);
  REQUIRE(bench.started<rules::FollowDeploy>().size() == 1);
  bench.refuse(rules::Duration{0});
  CHECK(bench.started<Deploy>().size() == 1);
  CHECK(bench.row_now().ended_by == Reason::outcome_unknown);
}

TEST_CASE("claim: a no that was heard before is not one to a later claim") {
  RollbackBench bench;
  bench.claim();
  Rollback claimed = bench.row_now();
  // Taken back, but nobody knows whether that was written; then another daemon claimed.
  bench.step(rules::DeployEnded{bench.event, DeployOutcome::refused, "429", seconds{20}, {}});
  bench.fail_commit();
  claimed.claims = 2;
  rules::JournalRead journal;
  journal.active = {claimed};
  bench.take(journal);
  CHECK(bench.started<rules::FollowDeploy>().size() == 1);
  CHECK(bench.decider.active_rollbacks() == 1);
  CHECK(bench.started<Deploy>().size() == 1);
}

TEST_CASE("claim: a no that could not be written is one all the same") {
  RollbackBench bench;
  bench.claim();
  const Rollback claimed = bench.row_now();
  bench.step(rules::DeployEnded{bench.event, DeployOutcome::refused, "429", seconds{20}, {}});
  bench.fail_commit();
  rules::JournalRead journal;
  journal.active = {claimed};
  bench.take(journal);
  CHECK(bench.started<rules::FollowDeploy>().empty());
  CHECK_FALSE(bench.row_now().claimed_at);
  bench.pass(21);
  CHECK(bench.started<Deploy>().size() == 2);
}

TEST_CASE("claim: a successor that claims nothing leaves what an earlier rollback dispatched") {
  RollbackBench bench;
  bench.claim();
  bench.refuse(seconds{20});
  rules::JournalRead journal;
  journal.active = {bench.row_now()};
  std::vector<rules::Deployment> rows;
  for (const rules::Deployment* d : bench.world().deployments.of(app)) {
    rows.push_back(*d);
    rows.back().rollback_dispatched = d->row == 2;
  }
  bench.take(rules::LeadershipLost{});
  bench.take(rules::FeedRebuilt{bench.now, "started", rows, {logged(noon, 6)}});
  bench.take(journal);
  bench.control.pause.on = true;
  bench.pass(20);
  CHECK(bench.row_now().ended_by == Reason::paused);
  CHECK(row_of(bench.world(), 2).rollback_dispatched);
}

TEST_CASE("claim: a person can stop a rollback until it is dispatched") {
  rules::World world = world_at_noon();
  Rollback r;
  r.service = app;
  r.deployment = numbered_id(2);
  r.decided_at = noon;
  auto execution = rules::Execution::decided(r);
  execution.opening();
  CHECK_FALSE(execution.is_dispatched());
  execution.abort({"kim", "wrong one", noon});
  CHECK_FALSE(execution.next(world, noon));  // the opening is still on its way
  execution.committed();
  const auto move = execution.next(world, noon);
  REQUIRE(move);
  CHECK(execution.rollback().status == RollbackStatus::aborted);
  CHECK(execution.rollback().ended_by == Reason::aborted);
  CHECK(execution.rollback().aborted == rules::Said{"kim", "wrong one", noon});
  CHECK(execution.rollback().step(StepName::trigger_deploy).error == "stopped by kim: wrong one");
  CHECK(move->then.empty());
}

}  // namespace rollbackd::tests
