// From a reading of response times to what is said and done about it.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

using Words = std::vector<std::string>;

rules::DurationGroup group(double milliseconds, std::uint64_t n, rules::Instant when) {
  rules::DurationGroup made;
  made.service = app;
  made.at = when;
  made.cells = {{rules::second_of(when) / 10, rules::duration_bin_of(milliseconds), n}};
  return made;
}

// A whole reading that answers every recount asked for.
rules::ResponseTimesRead whole(const Bench& bench, std::vector<rules::DurationGroup> groups = {}) {
  rules::ResponseTimesRead read;
  read.as_of = bench.now;
  read.whole = true;
  read.recount = bench.world().deployments.moves();
  read.groups = std::move(groups);
  return read;
}

rules::ResponseTimesRead more(const Bench& bench, std::vector<rules::DurationGroup> groups) {
  rules::ResponseTimesRead read = whole(bench, std::move(groups));
  read.whole = false;
  return read;
}

std::optional<double> measured(const Bench& bench, std::uint64_t deployment = 2) {
  return rules::response_time_p95(bench.world(), numbered_id(deployment), 300);
}

}  // namespace

TEST_CASE("response times: above 5 s is a warning with the measured value, told once") {
  Bench bench;
  bench.take(whole(bench));
  bench.take(more(bench, {group(5000, 100, bench.now)}));
  bench.pass(1);
  CHECK(bench.stories().empty());  // exactly 5 does not fire
  bench.take(more(bench, {group(6000, 100, bench.now)}));
  bench.pass(30);
  REQUIRE(bench.stories() == Words{"warning"});
  const auto event = bench.all_told("warning").at(0);
  CHECK(event.description == "response_time_p95: response_time_p95 5.94 above 5");
  CHECK(event.deployment == numbered_id(2));
  CHECK(bench.started<rules::Deploy>().empty());
}

TEST_CASE("response times: a policy may roll back for them") {
  rules::Policy policy;
  policy.triggers = {{"slow", rules::Signal::response_time_p95, 60, 2, {}, {}}};
  Bench bench{policy};
  bench.take(whole(bench, {group(3000, 1, bench.now)}));
  bench.pass(1);
  REQUIRE(bench.rollback());
  CHECK(bench.rollback()->deployment == numbered_id(2));
  CHECK(bench.rollback()->reason == "slow: response_time_p95 2.97 above 2");
}

TEST_CASE("response times: those of before a deployment are the one before's") {
  Bench bench;
  bench.take(whole(bench, {group(100, 10, at(-5)), group(200, 10, at(-601))}));
  CHECK(*measured(bench) == doctest::Approx(0.1).epsilon(1 / 64.0));
  CHECK_FALSE(measured(bench, 1));  // it is older than the window
  rules::DurationGroup own = group(300, 1, at(-5));
  own.deployment = numbered_id(1);
  bench.take(more(bench, {own}));
  CHECK(*measured(bench, 1) == doctest::Approx(0.3).epsilon(1 / 64.0));
  rules::DurationGroup unknown = group(300, 4, at(-5));
  unknown.deployment = numbered_id(77);
  CHECK(bench.step(more(bench, {unknown})).response_times->unattributed == 4);
}

TEST_CASE("response times: nothing is measured across a gap, nor before the first whole reading") {
  Bench bench;
  bench.take(more(bench, {group(9000, 9, bench.now)}));
  CHECK_FALSE(measured(bench));
  bench.take(whole(bench, {group(100, 9, bench.now)}));
  CHECK(measured(bench));
  bench.take(rules::ResponseTimesLost{});
  CHECK_FALSE(measured(bench));
  bench.take(whole(bench, {group(100, 9, bench.now)}));
  CHECK(measured(bench));
}

TEST_CASE("response times: a move of events asks for a recount, and only its service waits") {
  Bench bench;
  rules::Deployment other = row(9, at(-500));
  other.service = {"production", "other"};
  bench.put(other);
  bench.take(whole(bench, {group(100, 9, bench.now)}));
  REQUIRE(measured(bench));
  bench.forget();
  const rules::ResponseTimesRead before = whole(bench);

  bench.put(row(3, at(-2)));
  const auto asked = bench.started<rules::RecountResponseTimes>();
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].number == bench.world().deployments.moves());
  CHECK_FALSE(measured(bench));
  // One that was on its way does not know of the move.
  bench.take(before);
  CHECK_FALSE(measured(bench, 3));
  rules::DurationGroup others = group(50, 1, bench.now);
  others.service = other.service;
  rules::ResponseTimesRead late = more(bench, {others});
  late.recount = before.recount;
  bench.take(late);
  CHECK(measured(bench, 9));
  CHECK_FALSE(measured(bench, 3));
  rules::ResponseTimesRead counted = whole(bench, {group(100, 9, at(-3)), group(7000, 9, at(-1))});
  bench.take(counted);
  CHECK(*measured(bench, 2) == doctest::Approx(0.1).epsilon(1 / 64.0));
  CHECK(*measured(bench, 3) == doctest::Approx(7).epsilon(1 / 64.0));
}

TEST_CASE("response times: after a rebuild of the feed everything is counted anew") {
  Bench bench;
  bench.take(whole(bench, {group(100, 9, bench.now)}));
  bench.forget();
  rules::FeedRebuilt rebuilt;
  rebuilt.as_of = bench.now;
  rebuilt.deployments = {row(2, at(-600))};
  bench.take(rebuilt);
  CHECK(bench.started<rules::RecountResponseTimes>().size() == 1);
  CHECK_FALSE(measured(bench));
}

TEST_CASE("response times: they leave the window as time passes, without any reading") {
  Bench bench;
  bench.take(whole(bench, {group(6000, 9, bench.now)}));
  bench.pass(299);
  CHECK(measured(bench));
  bench.pass(11);
  CHECK_FALSE(measured(bench));
}

}  // namespace rollbackd::tests
