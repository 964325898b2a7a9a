// A rollback goes on from its journal, wherever the daemon was when it died.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "rules/execution.hpp"
#include "tests/support/rollback_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deploy;
using rules::DeployOutcome;
using rules::Execution;
using rules::JournalRead;
using rules::Reason;
using rules::Rollback;
using rules::RollbackStatus;
using rules::StepName;

const rules::SnapshotTaken snapshot{numbered_id(2), rules::SnapshotType::pre_rollback, "an id", {}};

// Every row that one successful rollback writes on its way, with the daemon's rows at that moment.
struct Written {
  Rollback rollback;
  std::vector<rules::Deployment> rows;
  rules::Instant at;
};

std::vector<Written> all_written() {
  Bench bench;
  std::vector<Written> found;
  const auto note = [&] {
    std::vector<rules::Deployment> rows;
    for (const rules::Deployment* d : bench.world().deployments.of(app)) {
      rows.push_back(*d);
    }
    found.push_back({*bench.rollback(), rows, bench.now});
  };
  bench.errors(6);
  note();
  const rules::EventId id = bench.rollback()->id;
  bench.take(snapshot);
  bench.feed_back_rows();
  note();
  bench.pass(2);
  note();
  bench.take(rules::DeployStarted{id, "pid 7"});
  note();
  bench.take(rules::DeployEnded{id, DeployOutcome::succeeded, "exit status 0"});
  bench.feed_back_rows();
  note();
  bench.pass(70);
  note();
  REQUIRE(bench.rollback()->status == RollbackStatus::success);
  return found;
}

// A new daemon that finds this journal and these rows.
struct Successor : Bench {
  explicit Successor(const Written& written, std::vector<rules::EventId> running = {}) {
    now = written.at;
    take(rules::LeadershipLost{});
    take(rules::FeedRebuilt{now, "started", written.rows, {}});
    JournalRead journal;
    if (!written.rollback.is_over()) {
      journal.active = {written.rollback};
    }
    journal.running = std::move(running);
    forget();
    take(journal);
  }
};

}  // namespace

TEST_CASE("resumed: from every step it ends, and dispatches at most once in all") {
  const auto all = all_written();
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i);
    Successor successor{all[i]};
    successor.take(snapshot);
    successor.feed_back_rows();
    for (int second = 0; second < 100; ++second) {
      successor.pass(1);
      for (const Deploy& deploy : successor.started<Deploy>()) {
        successor.take(rules::DeployEnded{deploy.event, DeployOutcome::succeeded, ""});
      }
      successor.feed_back_rows();
    }
    const bool claimed = all[i].rollback.claimed_at.has_value();
    CHECK(successor.started<Deploy>().size() == (claimed ? 0 : 1));
    CHECK(successor.decider.active_rollbacks() == 0);
    if (!all[i].rollback.is_over()) {
      const bool serves = !claimed || all[i].rollback.serving_from;
      CHECK(successor.rollback()->id == all[i].rollback.id);
      CHECK(successor.rollback()->status ==
            (serves ? RollbackStatus::success : RollbackStatus::failed));
    }
  }
}

TEST_CASE("resumed: a snapshot that was under way is asked for again") {
  const Successor successor{all_written()[0]};
  REQUIRE(successor.started<rules::TakeSnapshot>().size() == 1);
  CHECK(successor.started<rules::TakeSnapshot>()[0].deployment == numbered_id(2));
}

TEST_CASE("resumed: what was marked is not marked again, and is dispatched when confirm is over") {
  Successor successor{all_written()[1]};
  CHECK(successor.entries.empty());
  successor.pass(2);
  CHECK(successor.written<rules::MarkRolledBack>().empty());
  CHECK(successor.started<Deploy>().size() == 1);
}

TEST_CASE("resumed: a claim whose outcome nobody knows is never dispatched again") {
  for (const std::size_t step : {2U, 3U}) {
    CAPTURE(step);
    const Successor successor{all_written()[step]};
    CHECK(successor.started<Deploy>().empty());
    const Rollback r = *successor.rollback();
    CHECK(r.status == RollbackStatus::failed);
    CHECK(r.ended_by == Reason::outcome_unknown);
    CHECK(successor.written<rules::RestoreDeployment>().size() == 1);
    CHECK(successor.world().services.at(app).latch);
  }
}

TEST_CASE("resumed: a deploy that this very process still runs is awaited") {
  const auto all = all_written();
  Successor successor{all[3], {all[3].rollback.id}};
  successor.pass(100);
  CHECK(successor.entries.empty());
  successor.take(rules::DeployEnded{all[3].rollback.id, DeployOutcome::succeeded, ""});
  CHECK(successor.written<rules::PutInService>().size() == 1);
}

TEST_CASE(
    "resumed: a deploy that ended while the journal could not be read has not been forgotten") {
  for (const auto outcome : {DeployOutcome::succeeded, DeployOutcome::failed}) {
    const auto all = all_written();
    Bench bench;
    bench.take(rules::LeadershipLost{});
    bench.take(rules::FeedRebuilt{all[3].at, "started", all[3].rows, {}});
    bench.take(rules::DeployEnded{all[3].rollback.id, outcome, "meanwhile"});
    JournalRead journal;
    journal.active = {all[3].rollback};
    bench.take(journal);
    const bool succeeded = outcome == DeployOutcome::succeeded;
    CHECK(bench.written<rules::PutInService>().size() == (succeeded ? 1 : 0));
    CHECK(bench.written<rules::RestoreDeployment>().size() == (succeeded ? 0 : 1));
    if (!succeeded) {
      CHECK(bench.rollback()->ended_by == Reason::deploy_failed);
    }
  }
}

TEST_CASE("resumed: a verification goes on from the moment that the replacement serves") {
  const auto all = all_written();
  Successor successor{all[4]};
  CHECK(successor.entries.empty());
  successor.pass(69);
  CHECK(successor.decider.active_rollbacks() == 1);
  successor.pass(1);
  CHECK(successor.rollback()->status == RollbackStatus::success);
}

TEST_CASE("resumed: before the feed has told the rows, nothing is aborted for want of them") {
  const auto all = all_written();
  for (const std::size_t step : {0U, 1U, 4U}) {
    CAPTURE(step);
    rules::Decider decider{rules::PolicyBook{}};
    JournalRead journal;
    journal.active = {all[step].rollback};
    CHECK(decider.step(all[step].at, journal).commits.empty());
    CHECK(decider.step(all[step].at, snapshot).commits.empty());
    CHECK(decider.step(at(300), rules::Tick{}).commits.empty());
    CHECK_FALSE(decider.wake_at());
    auto output = decider.step(at(2), rules::FeedRebuilt{at(2), "started", all[step].rows, {}});
    if (step == 1) {
      CHECK(std::holds_alternative<rules::ReadControl>(output.actions.back()));
      output = decider.step(at(2), rules::ControlRead{1, {}, {}, {}, false});
    }
    CHECK(output.commits.size() == (step == 4 ? 0 : 1));
  }
}

TEST_CASE("resumed: after an outage longer than stale_after it is aborted and judged anew") {
  auto late = all_written()[1];
  late.at += rules::minutes{11};
  Successor successor{late};
  successor.pass(1);
  CHECK(successor.rollback()->ended_by == Reason::stale);
  CHECK(successor.started<Deploy>().empty());
}

TEST_CASE("resumed: a person's rollback has no stale evidence") {
  auto late = all_written()[1];
  late.rollback.type = rules::TriggerType::manual;
  late.at += rules::minutes{11};
  const Successor successor{late};
  CHECK(successor.started<Deploy>().size() == 1);
}

TEST_CASE("resumed: a rollback that is pending is driven like one in progress") {
  auto written = all_written()[1];
  written.rollback.status = RollbackStatus::pending;
  Successor successor{written};
  successor.pass(2);
  CHECK(successor.started<Deploy>().size() == 1);
}

TEST_CASE("resumed: each service's own rollback is driven") {
  auto written = all_written()[1];
  Rollback other = written.rollback;
  other.id = rules::EventId{numbered_id(400).bytes()};
  other.service = {"staging", "app"};
  other.deployment = numbered_id(22);
  other.replacement = numbered_id(23);
  rules::Deployment bad = row(22, at(-500), rules::DeploymentStatus::rolled_back);
  bad.service = other.service;
  written.rows.push_back(bad);
  Bench bench;
  bench.take(rules::LeadershipLost{});
  bench.take(rules::FeedRebuilt{noon, "started", written.rows, {}});
  JournalRead journal;
  journal.active = {written.rollback, other};
  bench.take(journal);
  bench.pass(2);
  CHECK(bench.started<Deploy>().size() == 2);
}

// Before its dispatch the gate saw that another daemon leads, and this one leads again by now.
TEST_CASE("resumed: a prevented dispatch is claimed again, whenever its end is told") {
  for (const bool told_before : {true, false}) {
    CAPTURE(told_before);
    RollbackBench bench;
    bench.claim();
    const rules::DeployEnded prevented{
        bench.event, rules::DeployOutcome::refused, "another leads", rules::seconds{1}, {}};
    bench.take(rules::LeadershipLost{});
    JournalRead journal;
    journal.active = {bench.row_now()};
    if (told_before) {
      bench.take(prevented);
    } else {
      journal.running = {bench.event};
    }
    bench.read_journal(journal);
    if (!told_before) {
      bench.take(prevented);
    }
    bench.pass(2);
    CHECK(bench.started<Deploy>().size() == 2);
    CHECK(bench.row_now().claims == 2);
  }
}

}  // namespace rollbackd::tests
