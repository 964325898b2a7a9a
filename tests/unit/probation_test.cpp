#include "rules/probation.hpp"

#include <functional>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::DeploymentStatus;
using rules::Duration;
using rules::Instant;
using rules::SnapshotType;
using rules::World;

// v2 with its probation ending at noon, after whatever is done to it.
std::optional<rules::PassProbation> passed(
    const std::function<void(Deployment&)>& how = [](Deployment&) {}, std::uint64_t events = 0,
    Instant now = noon) {
  World world = world_at_noon();
  Deployment d = row(2, at(-300));
  how(d);
  world.deployments.put(d);
  log_errors(world, 2, events, -100);
  return rules::passed_probation(world, row_of(world, 2), now);
}

std::string detail(const rules::PassProbation& p, const std::string& key) {
  for (const rules::Field& field : p.details) {
    if (field.key == key) {
      return rules::value_text(field.value);
    }
  }
  return "missing";
}

}  // namespace

TEST_CASE("probation: passed at the first moment at its end, and not a microsecond sooner") {
  CHECK(passed({[](Deployment&) {}}, 0, noon));
  CHECK_FALSE(passed({[](Deployment&) {}}, 0, noon - one_us));
  CHECK(passed({[](Deployment&) {}}, 0, at(100'000)));
}

TEST_CASE("probation: silence is recorded as silence") {
  const auto p = passed();
  REQUIRE(p);
  CHECK(p->deployment == numbered_id(2));
  CHECK(detail(*p, "evidence") == "silence");
  CHECK(detail(*p, "recent_errors") == "0");
  CHECK(detail(*p, "errors_per_minute") == "0");
  CHECK(detail(*p, "limit_recent_errors") == "5");
  CHECK(detail(*p, "probation_seconds") == "300");
}

TEST_CASE("probation: four events in five minutes pass, five do not") {
  const auto four = passed([](Deployment&) {}, 4);
  REQUIRE(four);
  CHECK(detail(*four, "evidence") == "events");
  CHECK(detail(*four, "recent_errors") == "4");
  CHECK_FALSE(passed([](Deployment&) {}, 5));
}

TEST_CASE("probation: a deployment above a rollback row is not stable, however few its events") {
  World world = world_at_noon();
  world.deployments.put(row(2, at(-300)));
  world.samples = rules::Sampled{90.5, 91, 1, {}};
  CHECK_FALSE(rules::passed_probation(world, row_of(world, 2), noon));
  world.samples = rules::Sampled{90, 90, 1, 99.0};  // at the limit; memory only warns
  CHECK(rules::passed_probation(world, row_of(world, 2), noon));
}

TEST_CASE("probation: in_progress and success pass, nothing else does") {
  const auto with = [](DeploymentStatus status) {
    return passed([&](Deployment& d) { d.status = status; }).has_value();
  };
  CHECK(with(DeploymentStatus::in_progress));
  CHECK(with(DeploymentStatus::success));
  CHECK_FALSE(with(DeploymentStatus::pending));
  CHECK_FALSE(with(DeploymentStatus::failed));
  CHECK_FALSE(with(DeploymentStatus::rolled_back));
}

TEST_CASE("probation: passed once, and never after a dispatched rollback, however that ended") {
  CHECK_FALSE(passed([](Deployment& d) { d.health_check_passed = true; }));
  CHECK_FALSE(passed([](Deployment& d) { d.rollback_dispatched = true; }));
}

TEST_CASE("probation: a replacement passes its own like any other") {
  CHECK(passed([](Deployment& d) { d.rollback_from = numbered_id(9); }));
}

TEST_CASE("probation: its length is the service's") {
  rules::Policy policy;
  policy.probation = rules::seconds{1};
  World world = world_at_noon(policy);
  world.deployments.put(row(2, at(-1)));
  CHECK(rules::passed_probation(world, row_of(world, 2), noon));
  CHECK_FALSE(rules::passed_probation(world, row_of(world, 2), noon - one_us));
}

TEST_CASE("probation: its story says what the verdict rests on") {
  const auto p = passed();
  const Deployment d = row(2, at(-300));
  const rules::RomanEvent told = rules::story_of(*p, d);
  CHECK(told.event_type == "deployment_verified");
  CHECK(told.severity == "info");
  CHECK(told.deployment == d.id);
  CHECK(told.service == app);
  bool evidence = false;
  for (const rules::Field& field : told.metadata) {
    evidence |= field.key == "evidence";
  }
  CHECK(evidence);
}

TEST_CASE("snapshots: a pending row gets its pre_deployment one, once") {
  const World world = world_at_noon();
  Deployment d = row(5, noon, DeploymentStatus::pending);
  const auto due = rules::due_snapshot(world, d, noon);
  REQUIRE(due);
  CHECK(due->type == SnapshotType::pre_deployment);
  CHECK(due->deployment == d.id);
  d.announced = true;
  CHECK_FALSE(rules::due_snapshot(world, d, noon));
}

TEST_CASE("snapshots: a replacement that waits gets none; the rollback has taken one") {
  const World world = world_at_noon();
  Deployment d = row(5, noon, DeploymentStatus::pending);
  d.rollback_from = numbered_id(2);
  CHECK_FALSE(rules::due_snapshot(world, d, noon));
  d.status = DeploymentStatus::success;
  CHECK(rules::due_snapshot(world, d, noon)->type == SnapshotType::post_deployment);
}

TEST_CASE("snapshots: what begins to serve gets its post_deployment one, within the hour") {
  const World world = world_at_noon();
  Deployment d = row(5, at(-3600));
  CHECK(rules::due_snapshot(world, d, noon)->type == SnapshotType::post_deployment);
  CHECK_FALSE(rules::due_snapshot(world, d, noon + one_us));
  d.deployed_at.reset();
  CHECK_FALSE(rules::due_snapshot(world, d, noon));
  d.deployed_at = noon;
  d.seen = true;
  CHECK_FALSE(rules::due_snapshot(world, d, noon));
  d.seen = false;
  d.status = DeploymentStatus::failed;
  CHECK_FALSE(rules::due_snapshot(world, d, noon));
  d.status = DeploymentStatus::rolled_back;
  CHECK_FALSE(rules::due_snapshot(world, d, noon));
}

TEST_CASE("snapshots: they hold the samples of their moment, as far as there are any") {
  World world = world_at_noon();
  log_errors(world, 2, 3);
  const Deployment d = row(2, at(-5));
  CHECK(rules::due_snapshot(world, d, noon)->samples ==
        rules::Fields{{"errors_per_minute", 3.0}, {"recent_errors", std::int64_t{3}}});
  world.samples = rules::Sampled{42.5, 17, 2, {}};
  CHECK(rules::due_snapshot(world, d, noon)->samples ==
        rules::Fields{{"errors_per_minute", 3.0},
                      {"recent_errors", std::int64_t{3}},
                      {"connection_utilisation", 42.5},
                      {"database_connections", std::int64_t{17}}});
}

}  // namespace rollbackd::tests
