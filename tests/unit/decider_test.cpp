#include "rules/decider.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "rules/limits.hpp"
#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::DeploymentStatus;
using rules::RollbackStatus;
using rules::SnapshotType;
using rules::TriggerType;
using Words = std::vector<std::string>;

rules::FeedBatch errors_now(Bench& bench, std::uint64_t n) {
  return bench.batch({}, {logged(bench.now, n)});
}

rules::ManualRequest request(std::uint64_t deployment = 2) {
  return {numbered_id(deployment), "looks wrong", "00000000-0000-0000-0000-00000000abcd"};
}

}  // namespace

TEST_CASE("decider: all events of one batch are taken in before anything is judged") {
  Bench bench;
  rules::FeedBatch batch = bench.batch();
  for (int i = 0; i < 8; ++i) {
    batch.events.push_back(logged(bench.now));
  }
  bench.take(batch);
  CHECK(bench.rollback()->reason == "High error rate: 8 errors/minute");
  CHECK(bench.told("rollback_initiated") == 1);
}

TEST_CASE("decider: an automatic rollback's row says who, why, and what it was decided from") {
  Bench bench;
  bench.sample(42);
  bench.forget();
  bench.errors(8);
  const auto r = bench.rollback();
  REQUIRE(r);
  CHECK(r->type == TriggerType::automatic);
  CHECK(r->status == RollbackStatus::in_progress);
  CHECK(r->deployment == numbered_id(2));
  CHECK(r->version == "v2");
  CHECK(r->git_commit == "c2");
  CHECK(r->service == app);
  CHECK(r->decided_at == bench.now);
  CHECK(r->old_status == DeploymentStatus::in_progress);
  CHECK(r->initiated_by.empty());
  CHECK(r->executor == "command");
  REQUIRE(r->target);
  CHECK(r->target->id == numbered_id(1));
  CHECK(r->target->version == "v1");
  CHECK(r->target->health_check_passed);
  rules::Evidence expected;
  expected.trigger = "error_rate";
  expected.signal = "errors_per_minute";
  expected.window = 60;
  expected.measured = 8;
  expected.above = 5;
  expected.errors_per_minute = 8;
  expected.recent_errors = 8;
  expected.connection_utilisation = 42;
  expected.entropy = 0.08;
  expected.as_of = noon_second;
  CHECK(r->evidence == expected);
  CHECK(r->validation.compliant());
  CHECK(r->id.text() != r->replacement.text());
  CHECK(bench.stories() == Words{"rollback_validation", "rollback_initiated"});
  CHECK(bench.written<rules::PutRollback>()[0].is_new);
  CHECK(bench.started<rules::TakeSnapshot>().size() == 1);
}

TEST_CASE("decider: nothing is judged before the windows are complete and the journal is read") {
  rules::Decider decider{rules::PolicyBook{}};
  rules::FeedRebuilt rebuilt{
      noon, "started", {good_row(1, at(-3600)), row(2, at(-600))}, {logged(noon, 50)}};
  const auto blind = decider.step(noon, rules::FeedBatch{noon, 1, {}, {}, false});
  CHECK(blind.commits.empty());
  const auto windows_only = decider.step(noon, rebuilt);
  CHECK(windows_only.commits.empty());
  CHECK(windows_only.explanations.empty());
  decider.step(noon, rules::JournalRead{});
  const auto unread = decider.step(at(1), rules::FeedBatch{at(1), 2, {}, {}, false});
  CHECK(unread.explanations.empty());  // nobody knows yet what forbids to act
  decider.step(at(1), rules::ControlRead{});
  const auto both = decider.step(at(2), rules::FeedBatch{at(2), 3, {}, {}, false});
  CHECK(both.explanations.size() == 1);
}

TEST_CASE("decider: nothing is judged across a gap; the first whole windows are judged at once") {
  Bench bench;
  bench.take(rules::FeedLost{"simulated"});
  bench.errors(50);
  bench.sample(99);
  bench.pass(10);
  CHECK(bench.entries.empty());
  CHECK(bench.explanations.empty());
  bench.take(rules::FeedRebuilt{bench.now,
                                "reconnected",
                                {good_row(1, at(-3600)), row(2, at(-600))},
                                {logged(bench.now, 6)}});
  CHECK(bench.told("rollback_initiated") == 1);
}

TEST_CASE("decider: nothing is judged by windows of the past") {
  const auto explained_after = [](rules::Second lag) {
    Bench bench;
    bench.sample(42);
    bench.put(row(3, at(-10)));
    bench.forget();
    bench.now = at(static_cast<double>(lag));
    bench.sample(95);
    bench.take(rules::Tick{});
    return bench.explained().size();
  };
  CHECK(explained_after(rules::limits::windows_lag_max) == 1);
  CHECK(explained_after(rules::limits::windows_lag_max + 1) == 0);
}

TEST_CASE("decider: a service whose windows are counted anew is not judged, others are") {
  Bench bench;
  Deployment other = row(5, at(-100));
  other.service = {"staging", "app"};
  bench.put(other);
  bench.forget();
  bench.take(bench.batch({row(3, at(-1))}, {logged(bench.now, 9)}));
  CHECK(bench.started<rules::RebuildWindows>().size() == 1);
  CHECK(bench.explanations.empty());
  bench.errors(6, other.service);
  CHECK(bench.explained() == Words{"no_target"});
  bench.take(bench.recounted(app, {logged(bench.now, 9)}));
  CHECK(bench.explained() == Words{"no_target", "rollback"});
}

TEST_CASE("decider: rows that are rolled back, failed or pending are not judged") {
  for (const auto status :
       {DeploymentStatus::rolled_back, DeploymentStatus::failed, DeploymentStatus::pending}) {
    Bench bench;
    Deployment v2 = row_of(bench.world(), 2);
    v2.status = status;
    v2.completed_at = at(3600);  // the failed one goes on having events
    bench.put(v2);
    bench.forget();
    bench.errors(6);
    CAPTURE(rules::name_of(status));
    const auto r = bench.rollback();
    CHECK((!r || r->deployment != numbered_id(2)));
  }
}

TEST_CASE("decider: a new deployment's `for:` begins with its own first look") {
  rules::Policy policy;
  policy.triggers = {{"burn", rules::Signal::errors, 60, 2, rules::seconds{20}, {}}};
  Bench bench{policy};
  bench.errors(3);
  bench.pass(15);
  // The row and its errors come in one batch: nobody sees it quiet.
  rules::EventGroup own = logged(bench.now, 3);
  own.deployment = numbered_id(3);
  bench.take(bench.batch({row(3, bench.now)}, {own}));
  bench.take(bench.recounted(app, {own}));
  bench.pass(19);
  CHECK(bench.told("rollback_initiated") == 0);
  bench.pass(1);
  CHECK(bench.told("rollback_initiated") == 1);
}

TEST_CASE("decider: what the journal no longer says is no longer believed") {
  Bench bench;
  rules::JournalRead journal;
  rules::ServiceHistory history;
  history.service = app;
  history.latch = rules::Latch{rules::EventId{}, numbered_id(2)};
  history.automatic_ended_at = bench.now;
  journal.histories = {history};
  bench.read_journal(journal);
  bench.read_journal();
  bench.errors(6);
  CHECK(bench.told("rollback_initiated") == 1);
}

TEST_CASE("decider: a decision that was not written is made again") {
  Bench bench;
  bench.step(errors_now(bench, 6));
  REQUIRE(bench.on_their_way.size() == 1);
  bench.fail_commit();
  CHECK(bench.decider.active_rollbacks() == 0);
  bench.pass(2);
  CHECK(bench.told("rollback_initiated") == 0);  // the journal has to be read first
  bench.read_journal();
  bench.pass(1);
  CHECK(bench.told("rollback_initiated") == 1);
  CHECK(bench.decider.active_rollbacks() == 1);
}

TEST_CASE("decider: a late confirmation of what has been dropped is nobody's") {
  Bench bench;
  bench.step(errors_now(bench, 6));
  const rules::CommitId id = bench.on_their_way.front().id;
  bench.take(rules::LeadershipLost{});
  CHECK(bench.decider.active_rollbacks() == 0);
  bench.on_their_way.clear();
  const auto output = bench.step(rules::CommitDone{id, true, {}});
  CHECK(output.commits.empty());
  CHECK(output.actions.empty());
}

TEST_CASE("decider: without leadership nothing is judged, asked or told") {
  Bench bench;
  bench.take(rules::LeadershipLost{});
  bench.errors(60);
  bench.sample(99, 99.0);
  bench.put(row(3, at(0)));
  bench.take(request());
  bench.pass(400);
  CHECK(bench.entries.empty());
  CHECK(bench.explained() == Words{"not_leader", "not_leader"});  // of either deployment
  CHECK(bench.started<rules::TakeSnapshot>().empty());
  CHECK_FALSE(bench.decider.wake_at());
  // Reads are answered all the same.
  CHECK(bench.decider.check(numbered_id(3)));
}

TEST_CASE(
    "decider: a second answer of the journal is the newer one, unless something is on its way") {
  Bench bench;
  bench.errors(6);
  const rules::Rollback active = *bench.rollback();
  rules::JournalRead journal;
  journal.active = {active};
  bench.read_journal(journal);
  CHECK(bench.decider.active_rollbacks() == 1);
  bench.read_journal();
  CHECK(bench.decider.active_rollbacks() == 0);
  Bench busy;
  busy.step(errors_now(busy, 6));
  busy.step(rules::JournalRead{});
  CHECK(busy.decider.active_rollbacks() == 1);
  busy.confirm_all();
  CHECK(busy.told("rollback_initiated") == 1);
}

TEST_CASE("decider: a person's request starts at once, without confirm and without guards") {
  Bench bench;
  rules::JournalRead journal;
  rules::ServiceHistory history;
  history.service = app;
  history.latch = rules::Latch{rules::EventId{}, numbered_id(2)};
  history.automatic_ended_at = bench.now;
  journal.histories = {history};
  bench.read_journal(journal);
  bench.take(request());
  const auto r = bench.rollback();
  REQUIRE(r);
  CHECK(r->type == TriggerType::manual);
  CHECK(r->reason == "looks wrong");
  CHECK(r->initiated_by == "00000000-0000-0000-0000-00000000abcd");
  CHECK(r->evidence.trigger.empty());
  CHECK(r->validation.texts(rules::Outcome::warning).size() == 1);  // already stable
  bench.take(rules::SnapshotTaken{numbered_id(2), SnapshotType::pre_rollback, "an id", {}});
  CHECK(bench.started<rules::Deploy>().size() == 1);
}

TEST_CASE("decider: a person's request that the preconditions forbid is a rejection") {
  Bench bench;
  bench.take(request(1));
  const auto r = bench.rollback();
  REQUIRE(r);
  CHECK(r->type == TriggerType::constitutional_violation);
  CHECK(r->validation.violated() ==
        std::vector{rules::Reason::no_target, rules::Reason::superseded});
  CHECK(r->ended_by == rules::Reason::no_target);
  CHECK(bench.stories() == Words{"rollback_validation", "rollback_rejected"});
  bench.forget();
  bench.take(request(77));
  CHECK(bench.entries.empty());
}

TEST_CASE("decider: a request while a rollback is active is rejected as under_way") {
  Bench bench;
  bench.errors(6);
  const auto first = *bench.rollback();
  bench.take(request());
  CHECK(bench.rollback()->ended_by == rules::Reason::under_way);
  CHECK(bench.rollback()->id != first.id);  // in the same microsecond
  CHECK(bench.rollback()->replacement != first.replacement);
  CHECK(bench.decider.active_rollbacks() == 1);
}

TEST_CASE("decider: two requests of one microsecond have ids of their own") {
  Bench bench;
  bench.take(request(1));
  bench.take(request(1));
  const auto puts = bench.written<rules::PutRollback>();
  REQUIRE(puts.size() == 2);
  CHECK(puts[0].rollback.id != puts[1].rollback.id);
}

TEST_CASE("decider: a request's reason is cut before it goes into a record") {
  Bench bench;
  rules::ManualRequest long_one = request();
  long_one.reason.assign(100'000, 'x');
  bench.take(long_one);
  CHECK(bench.rollback()->reason.size() == rules::limits::detail_text_max);
}

TEST_CASE("decider: the same inputs at the same times give the same outputs") {
  const auto story = [] {
    Bench bench;
    bench.errors(6);
    bench.take(rules::SnapshotTaken{numbered_id(2), SnapshotType::pre_rollback, "an id", {}});
    bench.feed_back_rows();
    bench.pass(5);
    std::string all;
    for (const auto& put : bench.written<rules::PutRollback>()) {
      all += put.rollback.id.text() + " " + put.rollback.replacement.text() + "\n";
    }
    for (const auto& event : bench.written<rules::RomanEvent>()) {
      all += event.description + "\n";
    }
    return all;
  };
  CHECK(story() == story());
}

}  // namespace rollbackd::tests
