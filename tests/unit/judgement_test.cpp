#include "rules/judgement.hpp"

#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::Reason;
using rules::Ruling;
using rules::Verdict;
using rules::World;

Verdict judge(World& world, bool active = false, std::int64_t number = 2) {
  rules::ServiceState& state = world.services[app];
  const auto firing = rules::firing_rows(world, row_of(world, number), state, noon);
  return rules::judge(world, row_of(world, number), firing, active, noon);
}

std::string speaker(const Verdict& verdict) {
  return verdict.reading.trigger == nullptr ? "nobody" : verdict.reading.trigger->name;
}

void use_connections(World& world, double percent) {
  world.samples = rules::Sampled{percent, 90, 1, {}};
}

}  // namespace

TEST_CASE("judgement: exactly at the threshold nothing fires") {
  World world = world_at_noon();
  log_errors(world, 2, 5);
  log_errors(world, 2, 45, -100);
  use_connections(world, 90);
  const Verdict verdict = judge(world);
  CHECK(verdict.ruling == Ruling::quiet);
  CHECK(speaker(verdict) == "nobody");
}

TEST_CASE("judgement: a firing trigger that nothing hinders is rolled back, with its validation") {
  World world = world_at_noon();
  log_errors(world, 2, 6);
  const Verdict verdict = judge(world);
  CHECK(verdict.ruling == Ruling::roll_back);
  CHECK(verdict.reasons == Reasons{Reason::rollback});
  CHECK(speaker(verdict) == "error_rate");
  CHECK(verdict.reading.measured == 6);
  CHECK(verdict.validation.checks.size() == 13);
  CHECK(verdict.validation.compliant());
}

TEST_CASE("judgement: the first row that fires speaks") {
  World world = world_at_noon();
  log_errors(world, 2, 51, -100);
  CHECK(speaker(judge(world)) == "recent_errors");
  log_errors(world, 2, 6);
  CHECK(speaker(judge(world)) == "error_rate");
}

TEST_CASE("judgement: a row that only warns never speaks") {
  World world = world_at_noon();
  world.samples = rules::Sampled{10, 10, 1, 99.0};
  CHECK(judge(world).ruling == Ruling::quiet);
}

TEST_CASE("judgement: while a rollback is under way everything else is suppressed") {
  World world = world_at_noon();
  log_errors(world, 2, 6);
  world.services[app].latch = rules::Latch{{}, numbered_id(2)};
  const Verdict verdict = judge(world, true);
  CHECK(verdict.ruling == Ruling::suppressed);
  CHECK(verdict.reasons == Reasons{Reason::active});
}

TEST_CASE("judgement: holds come before the validation") {
  World world = world_at_noon();
  log_errors(world, 2, 6);
  Deployment v1 = row_of(world, 1);
  v1.health_check_passed = false;
  world.deployments.put(v1);
  world.services[app].automatic_ended_at = at(-1);
  const Verdict held = judge(world);
  CHECK(held.ruling == Ruling::held);
  CHECK(held.reasons == Reasons{Reason::cooldown});
  CHECK(held.validation.checks.empty());
  world.services[app].automatic_ended_at.reset();
  const Verdict rejected = judge(world);
  CHECK(rejected.ruling == Ruling::rejected);
  CHECK(rejected.reasons == Reasons{Reason::no_target});
  CHECK_FALSE(rejected.validation.compliant());
}

TEST_CASE("judgement: a replacement is never rolled back by itself") {
  World world = world_at_noon();
  log_errors(world, 2, 6);
  Deployment replacement = row_of(world, 2);
  replacement.rollback_from = numbered_id(9);
  world.deployments.put(replacement);
  const Verdict verdict = judge(world);
  CHECK(verdict.ruling == Ruling::rejected);
  CHECK(verdict.reasons == Reasons{Reason::rollback_of_rollback});
}

TEST_CASE("judgement: connections roll back only whom they can be blamed on") {
  World world = world_at_noon();
  use_connections(world, 95);
  const Verdict unknown = judge(world);
  CHECK(unknown.ruling == Ruling::suppressed);
  CHECK(unknown.reasons == Reasons{Reason::not_to_blame});
  CHECK(speaker(unknown) == "db_connections");
  world.deployments.mark_snapshot(numbered_id(2), true, 20.0);
  const Verdict blamed = judge(world);
  CHECK(blamed.ruling == Ruling::roll_back);
  CHECK(speaker(blamed) == "db_connections");
}

TEST_CASE("judgement: a later row of the deployment's own events still speaks after not_to_blame") {
  rules::Policy policy;
  policy.triggers = {rules::default_triggers()[2], rules::default_triggers()[0]};
  World world = world_at_noon(policy);
  use_connections(world, 95);
  log_errors(world, 2, 6);
  const Verdict verdict = judge(world);
  CHECK(verdict.ruling == Ruling::roll_back);
  CHECK(speaker(verdict) == "error_rate");
}

TEST_CASE("judgement: memory as a rollback row is everybody's as well") {
  rules::Policy policy;
  policy.triggers = {{"memory", rules::Signal::memory_utilisation, 0, 50, {}, {}}};
  World world = world_at_noon(policy);
  world.samples = rules::Sampled{10, 10, 1, 60.0};
  CHECK(judge(world).reasons == Reasons{Reason::not_to_blame});
}

TEST_CASE("judgement: after a silence of its window a row may speak again, at least of a minute") {
  const auto table = rules::default_triggers();
  CHECK(rules::silence_of(table[0]) == 60);
  CHECK(rules::silence_of(table[1]) == 300);
  CHECK(rules::silence_of(table[2]) == 60);
}

TEST_CASE("judgement: firing_rows remembers what fires, for those who ask later") {
  World world = world_at_noon();
  log_errors(world, 2, 6);
  judge(world);
  CHECK(world.services[app].firing == std::set<std::string>{"error_rate"});
  world.windows.forget(numbered_id(2));
  judge(world);
  CHECK(world.services[app].firing.empty());
  CHECK(world.services[app].above_since.empty());
}

}  // namespace rollbackd::tests
