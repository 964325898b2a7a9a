// Rows of ops.heartbeats go the way of events and are nobody's.

#include "rules/heartbeat.hpp"

#include <doctest/doctest.h>

#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

rules::EventGroup beat(rules::Instant when) {
  return logged(when, 1,
                {std::string{rules::heartbeat_environment}, std::string{rules::heartbeat_name}});
}

}  // namespace

TEST_CASE("heartbeat: one that is seen is told with its time, and judged by nobody") {
  Bench bench;
  const rules::Output output = bench.step(bench.batch({}, {beat(at(-0.004))}));
  REQUIRE(output.heartbeat);
  CHECK(output.heartbeat->written_at == at(-0.004));
  CHECK(output.heartbeat->judged_at == bench.now);
  CHECK(output.commits.empty());
  CHECK(output.explanations.empty());
}

TEST_CASE("heartbeat: events of others are none") {
  Bench bench;
  CHECK_FALSE(bench.step(bench.batch({}, {logged(noon)})).heartbeat);
  rules::EventGroup owned = beat(noon);
  owned.deployment = numbered_id(2);
  CHECK_FALSE(bench.step(bench.batch({}, {owned})).heartbeat);
}

}  // namespace rollbackd::tests
