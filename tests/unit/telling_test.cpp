// Nobody is told the same thing twice (DESIGN.md section 4).

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "rules/limits.hpp"
#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::DeploymentStatus;
using Words = std::vector<std::string>;

void without_target(Bench& bench) {
  Deployment v1 = row_of(bench.world(), 1);
  v1.health_check_passed = false;
  bench.put(v1);
}

void cool_down_until(Bench& bench, double seconds) {
  rules::JournalRead journal;
  rules::ServiceHistory history;
  history.service = app;
  history.automatic_ended_at =
      bench.now + rules::Duration{static_cast<std::int64_t>(seconds * 1e6)} - rules::minutes{3};
  journal.histories.push_back(history);
  bench.read_journal(journal);
}

}  // namespace

TEST_CASE("telling: a hold is told once while it lasts, and what comes after it is told") {
  Bench bench;
  cool_down_until(bench, 30);
  bench.errors(6);
  CHECK(bench.stories() == Words{"rollback_held"});
  const auto held = bench.all_told("rollback_held").at(0);
  CHECK(held.severity == "warning");
  CHECK(held.description == "High error rate: 6 errors/minute; held: cooldown");
  CHECK(held.deployment == numbered_id(2));
  bench.pass(29);
  bench.errors(1);
  CHECK(bench.stories() == Words{"rollback_held"});
  CHECK(bench.explained() == Words{"cooldown"});
  bench.pass(1);
  CHECK(bench.stories() == Words{"rollback_held", "rollback_validation", "rollback_initiated"});
  CHECK(bench.explained() == Words{"cooldown", "rollback"});
  bench.pass(10);
  CHECK(bench.explained() == Words{"cooldown", "rollback", "active"});
}

TEST_CASE("telling: a latch or a cooldown is no second alert, what else holds is one") {
  Bench bench;
  rules::ServiceHistory history{app, rules::Latch{{}, numbered_id(2)}, at(20 - 180), {}};
  bench.read_journal({{}, {history}});
  bench.errors(6);
  REQUIRE(bench.explained() == Words{"latched", "cooldown"});
  CHECK(bench.told("rollback_held") == 1);
  CHECK(bench.written<rules::Alert>().empty());
  bench.pass(25);
  REQUIRE(bench.explained().back() == "latched");
  CHECK(bench.told("rollback_held") == 2);
  CHECK(bench.written<rules::Alert>().empty());
  bench.control.pause.on = true;
  bench.take(bench.control);
  bench.forget();
  bench.pass(1);
  REQUIRE(bench.explained() == Words{"latched", "paused"});
  const auto alerts = bench.written<rules::Alert>();
  REQUIRE(alerts.size() == 1);
  CHECK(alerts[0].kind == rules::AlertKind::held);
}

TEST_CASE("telling: a cooldown alone is an alert: it comes from a rollback that succeeded") {
  Bench bench;
  cool_down_until(bench, 20);
  bench.errors(6);
  REQUIRE(bench.explained() == Words{"cooldown"});
  CHECK(bench.written<rules::Alert>().size() == 1);
}

TEST_CASE("telling: another set of reasons is told, also when it is a smaller one") {
  Bench bench;
  cool_down_until(bench, 20);
  Deployment failed = row(3, at(-30), DeploymentStatus::failed);
  failed.completed_at = at(-5);
  bench.put(failed);
  bench.forget();
  bench.errors(6);
  REQUIRE(bench.told("rollback_held") == 1);
  CHECK(bench.all_told("rollback_held")[0].description ==
        "High error rate: 6 errors/minute; held: cooldown, failed_deploy");
  bench.pass(25);
  REQUIRE(bench.told("rollback_held") == 2);
  CHECK(bench.all_told("rollback_held")[1].description ==
        "High error rate: 6 errors/minute; held: failed_deploy");
  CHECK(bench.explained() == Words{"cooldown", "failed_deploy", "failed_deploy"});
}

TEST_CASE("telling: the same hold by another trigger is the same thing") {
  Bench bench;
  cool_down_until(bench, 150);
  bench.errors(6);
  bench.pass(40);
  bench.errors(46);
  bench.pass(50);  // the first ones have left the minute, the 52 stay in the five
  CHECK(bench.told("rollback_held") == 1);
}

TEST_CASE("telling: a rejection is one row, one alert, one story, until it changes") {
  Bench bench;
  without_target(bench);
  bench.forget();
  bench.errors(6);
  CHECK(bench.stories() == Words{"rollback_validation", "rollback_rejected"});
  CHECK(bench.written<rules::PutRollback>().size() == 1);
  CHECK(bench.written<rules::Alert>().size() == 1);
  CHECK(bench.written<rules::Alert>()[0].kind == rules::AlertKind::rejected);
  bench.pass(50);
  bench.errors(3);
  bench.pass(50);
  CHECK(bench.told("rollback_rejected") == 1);
  CHECK(bench.explained() == Words{"no_target"});
}

TEST_CASE("telling: a rejected rollback says why, in its row and in its story") {
  Bench bench;
  without_target(bench);
  bench.errors(6);
  const auto rollback = bench.rollback();
  REQUIRE(rollback);
  CHECK(rollback->type == rules::TriggerType::constitutional_violation);
  CHECK(rollback->status == rules::RollbackStatus::aborted);
  CHECK(rollback->ended_by == rules::Reason::no_target);
  CHECK(rollback->reason == "High error rate: 6 errors/minute");
  CHECK(rollback->completed_at == bench.now);
  CHECK_FALSE(rollback->target);
  CHECK_FALSE(rollback->claimed_at);
  for (const rules::Step& step : rollback->steps) {
    CHECK(step.status == rules::StepStatus::skipped);
  }
  CHECK(bench.all_told("rollback_validation")[0].severity == "error");
  CHECK(bench.all_told("rollback_rejected")[0].severity == "error");
  CHECK(bench.started<rules::Deploy>().empty());
  CHECK(bench.started<rules::TakeSnapshot>().empty());
}

TEST_CASE("telling: it is told again when the trigger was silent for a whole window in between") {
  Bench bench;
  without_target(bench);
  bench.errors(6);  // fires until second 59, is silent from 60
  bench.pass(119);
  bench.errors(6);  // 59 silent seconds
  CHECK(bench.told("rollback_rejected") == 1);
  bench.pass(120);  // fires until 178, silent from 179 to 238
  bench.errors(6);
  CHECK(bench.told("rollback_rejected") == 2);
}

TEST_CASE("telling: another deployment is another matter") {
  Bench bench;
  without_target(bench);
  bench.errors(6);
  bench.pass(10);
  Deployment v3 = row(3, bench.now);
  v3.previous_unhealthy = false;
  bench.put(v3);
  bench.errors(6);
  CHECK(bench.told("rollback_rejected") == 2);
}

TEST_CASE("telling: not_to_blame is a warning, once, at the newest deployment only") {
  Bench bench;
  Deployment other = row(9, at(-4000));
  other.service = {"production", "other"};
  other.seen = true;
  bench.put(other);
  bench.forget();
  bench.sample(95);
  CHECK(bench.stories() == Words{"warning"});
  CHECK(bench.all_told("warning")[0].deployment == numbered_id(2));
  CHECK(bench.all_told("warning")[0].description ==
        "Database connection exhaustion: 95 % used; not this deployment's fault");
  bench.pass(30);
  bench.sample(96);
  CHECK(bench.stories() == Words{"warning"});
  CHECK(bench.written<rules::PutRollback>().empty());
}

TEST_CASE("telling: a row that warns is told once, and again after a silence") {
  Bench bench;
  bench.sample(10, 96.0);
  CHECK(bench.stories() == Words{"warning"});
  CHECK(bench.all_told("warning")[0].description == "memory_usage: memory_utilisation 96 above 95");
  bench.pass(200);
  CHECK(bench.told("warning") == 1);
  bench.sample(10, 95.0);
  bench.pass(61);
  bench.sample(10, 96.0);
  CHECK(bench.told("warning") == 2);
}

TEST_CASE("telling: a restart remembers the rejection that the journal has") {
  Bench bench;
  without_target(bench);
  rules::JournalRead journal;
  rules::ServiceHistory history;
  history.service = app;
  history.rejection = rules::Rejection{numbered_id(2), {rules::Reason::no_target}};
  journal.histories.push_back(history);
  bench.read_journal(journal);
  bench.forget();
  bench.errors(6);
  CHECK(bench.stories().empty());
  Bench other;
  without_target(other);
  journal.histories[0].rejection->reasons = {rules::Reason::rollback_of_rollback};
  other.read_journal(journal);
  other.forget();
  other.errors(6);
  CHECK(other.told("rollback_rejected") == 1);
}

TEST_CASE(
    "telling: a rejection of an earlier deployment does not disturb what is known of this one") {
  rules::Policy policy;
  policy.triggers = {{"burn", rules::Signal::errors, 60, 2, rules::seconds{20}, {}}};
  Bench bench{policy};
  bench.errors(3);
  bench.pass(15);
  rules::JournalRead journal;
  rules::ServiceHistory history;
  history.service = app;
  history.rejection = rules::Rejection{numbered_id(1), {rules::Reason::no_target}};
  journal.histories.push_back(history);
  bench.read_journal(journal);
  bench.pass(5);
  CHECK(bench.told("rollback_initiated") == 1);  // twenty seconds after the third error
}

TEST_CASE("telling: what was told but not written is told again") {
  Bench bench;
  cool_down_until(bench, 100);
  bench.step(bench.batch({}, {logged(bench.now, 6)}));
  REQUIRE(bench.on_their_way.size() == 1);
  bench.fail_commit();
  bench.pass(2);
  CHECK(bench.told("rollback_held") == 0);  // the journal is not known
  cool_down_until(bench, 98);
  bench.pass(1);
  CHECK(bench.told("rollback_held") == 1);
}

TEST_CASE("telling: when everybody goes bad at once, the journal is not buried, and all are told") {
  constexpr std::int64_t services = 1000;
  Bench bench;
  rules::FeedRebuilt rebuilt{bench.now, "started", {}, {}};
  for (std::int64_t i = 1; i <= services; ++i) {
    rules::Deployment d = row(i, at(-7200));          // too long ago for a story of its arrival
    d.service.environment = "e" + std::to_string(i);  // nobody has neighbours
    rebuilt.events.push_back(logged(bench.now, 9, d.service));
    rebuilt.deployments.push_back(std::move(d));
  }
  bench.step(rebuilt);
  CHECK(bench.on_their_way.size() == rules::limits::commits_waiting_max);
  for (int second = 1; second < 10; ++second) {
    bench.confirm_all();
    bench.now = at(second);
    bench.step(bench.batch());
    CHECK(bench.on_their_way.size() <= rules::limits::commits_waiting_max);
  }
  bench.confirm_all();
  CHECK(bench.told("rollback_rejected") == services);
}

}  // namespace rollbackd::tests
