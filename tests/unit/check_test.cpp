// What /check and the status page say, from memory.

#include <string>

#include <doctest/doctest.h>

#include "rules/judgement.hpp"
#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::CheckView;
using rules::State;

CheckView check(const Bench& bench, std::uint64_t deployment = 2) {
  const auto view = bench.decider.check(numbered_id(deployment));
  REQUIRE(view);
  return *view;
}

}  // namespace

TEST_CASE("check: a deployment that nobody knows has no answer") {
  CHECK_FALSE(Bench{}.decider.check(numbered_id(99)));
}

TEST_CASE("check: a quiet deployment is healthy, with numbers of zero") {
  const CheckView view = check(Bench{});
  CHECK_FALSE(view.should_rollback);
  CHECK(view.reason == "System healthy");
  CHECK(view.healthy);
  CHECK(view.error_rate_per_minute == 0);
  CHECK(view.recent_errors == 0);
  CHECK(view.database_connections == 0);
  CHECK(view.active_queries == 0);
  CHECK(view.state == State::healthy);
  CHECK(view.as_of == noon_second);
}

TEST_CASE("check: healthy is fewer than five events in five minutes") {
  Bench bench;
  bench.errors(4);
  CHECK(check(bench).healthy);
  CHECK(check(bench).state == State::healthy);
  bench.errors(1);
  CHECK_FALSE(check(bench).healthy);
  CHECK_FALSE(check(bench).should_rollback);
  CHECK(check(bench).reason == "System healthy");
  CHECK(check(bench).state == State::watched);
  bench.pass(299);
  CHECK_FALSE(check(bench).healthy);
  bench.pass(1);
  CHECK(check(bench).healthy);
}

TEST_CASE("check: the first row that fires is the reason") {
  Bench bench;
  bench.errors(8);
  const CheckView view = check(bench);
  CHECK(view.should_rollback);
  CHECK(view.reason == "High error rate: 8 errors/minute");
  CHECK(view.error_rate_per_minute == 8);
  CHECK(view.recent_errors == 8);
  CHECK(view.state == State::rolling_back);
}

TEST_CASE("check: utilisation should roll back every deployment that is asked about") {
  Bench bench;
  bench.take(rules::Sampled{95.5, 191, 17, {}});
  for (const std::uint64_t deployment : {1U, 2U}) {
    const CheckView view = check(bench, deployment);
    CHECK(view.should_rollback);
    CHECK(view.reason == "Database connection exhaustion: 95.5 % used");
    CHECK(view.database_connections == 191);
    CHECK(view.active_queries == 17);
    CHECK(view.connection_utilisation == 95.5);
    CHECK(view.state == State::firing);
  }
}

TEST_CASE("check: a row that only warns is no reason to roll back") {
  Bench bench;
  bench.sample(10, 99.0);
  CHECK_FALSE(check(bench).should_rollback);
  CHECK(check(bench).reason == "System healthy");
}

TEST_CASE("check: a row with for: is a reason when that is over") {
  rules::Policy policy;
  policy.triggers = {{"burn", rules::Signal::errors, 300, 2, rules::seconds{20}, {}}};
  Bench bench{policy};
  bench.errors(3);
  bench.pass(19);
  CHECK_FALSE(check(bench).should_rollback);
  bench.pass(1);
  CHECK(check(bench).should_rollback);
  CHECK(check(bench).reason == "burn: errors 3 above 2");
}

TEST_CASE(
    "check: since when a row holds is known of the deployment that is judged, and of no other") {
  rules::Policy policy;
  policy.triggers = {{"burn", rules::Signal::errors, 300, 2, rules::seconds{5}, {}}};
  Bench bench{policy};
  bench.errors(3);
  bench.pass(1);
  bench.put(row(3, bench.now));
  bench.errors(3);
  bench.pass(5);
  CHECK(check(bench, 3).should_rollback);
  CHECK_FALSE(check(bench, 2).should_rollback);
}

TEST_CASE("check: an earlier deployment has its own events, long after it was replaced") {
  Bench bench;
  bench.errors(3);
  bench.pass(1);
  bench.put(row(3, bench.now));
  bench.errors(1);
  CHECK(check(bench, 2).recent_errors == 3);
  CHECK(check(bench, 3).recent_errors == 1);
}

TEST_CASE("check: held and rejected are said as such while the trigger fires") {
  Bench held;
  rules::JournalRead journal;
  rules::ServiceHistory history;
  history.service = app;
  history.automatic_ended_at = noon;
  journal.histories = {history};
  held.read_journal(journal);
  held.errors(6);
  CHECK(check(held).state == State::held);
  CHECK(check(held).should_rollback);
  held.pass(61);
  CHECK(check(held).state == State::watched);
  Bench rejected;
  rules::Deployment v1 = row_of(rejected.world(), 1);
  v1.health_check_passed = false;
  rejected.put(v1);
  rejected.errors(6);
  CHECK(check(rejected).state == State::rejected);
}

TEST_CASE("check: a row that was rolled back says so") {
  Bench bench;
  rules::Deployment v2 = row_of(bench.world(), 2);
  v2.status = rules::DeploymentStatus::rolled_back;
  bench.put(v2);
  CHECK(check(bench).state == State::rolled_back);
}

TEST_CASE("check: services are told with their current deployment, in the order of their names") {
  Bench bench;
  rules::Deployment staging = row(5, at(-5));
  staging.service = {"staging", "app"};
  bench.put(staging);
  rules::Deployment api = row(6, at(-5));
  api.service = {"production", "api"};
  bench.put(api);
  rules::Deployment waiting = row(7, at(-5), rules::DeploymentStatus::pending);
  waiting.service = {"production", "zeta"};
  bench.put(waiting);
  bench.errors(5);
  const auto views = bench.decider.services();
  REQUIRE(views.size() == 3);
  CHECK(views[0].service == api.service);
  CHECK(views[0].version == "v6");
  CHECK(views[1].service == app);
  CHECK(views[1].deployment == numbered_id(2));
  CHECK(views[1].errors_per_minute == 5);
  CHECK(views[1].recent_errors == 5);
  CHECK(views[1].state == State::watched);
  CHECK(views[2].service == staging.service);
}

}  // namespace rollbackd::tests
