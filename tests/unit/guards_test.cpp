#include "rules/guards.hpp"

#include <functional>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::DeploymentStatus;
using rules::Duration;
using rules::Instant;
using rules::Reason;
using rules::World;

World latched_by(std::int64_t deployment) {
  World world = world_at_noon();
  world.services[app].latch =
      rules::Latch{rules::EventId{}, numbered_id(static_cast<std::uint64_t>(deployment))};
  return world;
}

const rules::Trigger connections = rules::default_triggers()[2];

// v2 arrived ten minutes ago, when utilisation was at 40 %; nobody else deployed anything.
World blamed_world() {
  World world = world_at_noon();
  world.deployments.mark_snapshot(numbered_id(2), true, 40.0);
  world.samples = rules::Sampled{95, 95, 1, {}};
  return world;
}

bool blamed(const World& world, Instant now = noon, std::int64_t number = 2) {
  return rules::is_to_blame(world, row_of(world, number), connections, now);
}

Deployment other_row(std::int64_t number, Instant deployed_at, DeploymentStatus status) {
  Deployment d = row(number, deployed_at, status);
  d.service = {"production", "other"};
  return d;
}

}  // namespace

TEST_CASE("guards: nothing holds a service without a past") {
  CHECK(holds(world_at_noon()).empty());
  World world = world_at_noon();
  world.services[app];
  CHECK(holds(world).empty());
}

TEST_CASE("guards: latched for the deployment itself, and until a later one is current") {
  World world = latched_by(2);
  CHECK(holds(world) == Reasons{Reason::latched});
  world.deployments.put(row(3, at(-1)));
  CHECK(holds(world, noon, 3).empty());
}

TEST_CASE("guards: a replacement does not open the latch, however late it is") {
  World world = latched_by(2);
  Deployment replacement = row(3, at(-1), DeploymentStatus::success);
  replacement.rollback_from = numbered_id(2);
  world.deployments.put(replacement);
  CHECK(holds(world, noon, 3) == Reasons{Reason::latched});
}

TEST_CASE("guards: falling back to an older deployment does not open the latch") {
  CHECK(holds(latched_by(2), noon, 1) == Reasons{Reason::latched});
  // The one rolled back is not known any more: any other is taken for a later one.
  CHECK(holds(latched_by(77)).empty());
}

TEST_CASE("guards: a latch of another service is not ours") {
  World world = world_at_noon();
  world.services[{"production", "other"}].latch = rules::Latch{{}, numbered_id(2)};
  world.services[{"staging", "app"}].latch = rules::Latch{{}, numbered_id(2)};
  CHECK(holds(world).empty());
}

TEST_CASE(
    "guards: cooldown ends three minutes after the last automatic rollback, to the microsecond") {
  World world = world_at_noon();
  world.services[app].automatic_ended_at = noon;
  CHECK(holds(world, noon) == Reasons{Reason::cooldown});
  CHECK(holds(world, at(180) - one_us) == Reasons{Reason::cooldown});
  CHECK(holds(world, at(180)).empty());
}

TEST_CASE("guards: a cooldown of 0 s is switched off") {
  rules::Policy policy;
  policy.cooldown = Duration{0};
  World world = world_at_noon(policy);
  world.services[app].automatic_ended_at = noon;
  CHECK(holds(world, noon).empty());
}

TEST_CASE("guards: failed_deploy holds less than ten minutes after a newer deployment failed") {
  World world = world_at_noon();
  Deployment failed = row(3, at(-700), DeploymentStatus::failed);
  failed.completed_at = at(-600) + one_us;
  world.deployments.put(failed);
  CHECK(holds(world) == Reasons{Reason::failed_deploy});
  CHECK(holds(world, noon + one_us).empty());
}

TEST_CASE("guards: a replacement that failed, or an older deployment, holds nothing") {
  World world = world_at_noon();
  Deployment failed = row(3, at(-20), DeploymentStatus::failed);
  failed.completed_at = at(-10);
  failed.rollback_from = numbered_id(2);
  world.deployments.put(failed);
  CHECK(holds(world).empty());
  Deployment older = row(1, at(-3600), DeploymentStatus::failed);
  older.completed_at = at(-10);
  world.deployments.put(older);
  CHECK(holds(world).empty());
}

TEST_CASE("guards: all that apply are named, in their order") {
  World world = latched_by(2);
  world.services[app].automatic_ended_at = at(-1);
  Deployment failed = row(3, at(-20), DeploymentStatus::failed);
  failed.completed_at = at(-10);
  world.deployments.put(failed);
  CHECK(holds(world) == Reasons{Reason::latched, Reason::cooldown, Reason::failed_deploy});
}

TEST_CASE("blame: the newest deployment of the database, quiet when it came, alone in its hour") {
  CHECK(blamed(blamed_world()));
}

TEST_CASE("blame: not one that is older than the blame window, to the microsecond") {
  World world = blamed_world();
  CHECK(blamed(world, at(3000)));
  CHECK_FALSE(blamed(world, at(3000) + one_us));
}

TEST_CASE("blame: not when utilisation was over the limit when it came, or is not known") {
  const auto arrived_at = [](std::optional<double> utilisation) {
    World world = world_at_noon();
    Deployment d = row(2, at(-600));
    d.utilisation_at_arrival = utilisation;
    world.deployments.put(d);
    return blamed(world);
  };
  CHECK(arrived_at(0));
  CHECK(arrived_at(90));
  CHECK_FALSE(arrived_at(90.000001));
  CHECK_FALSE(arrived_at(std::nullopt));
}

TEST_CASE("blame: not when another service was deployed inside the window, whatever became of it") {
  const auto with = [](const Deployment& neighbour) {
    World world = blamed_world();
    world.deployments.put(neighbour);
    return blamed(world);
  };
  for (const auto status : {DeploymentStatus::in_progress, DeploymentStatus::success,
                            DeploymentStatus::failed, DeploymentStatus::rolled_back}) {
    CAPTURE(rules::name_of(status));
    CHECK_FALSE(with(other_row(3, at(-1000), status)));
  }
  CHECK(with(other_row(3, at(-1000), DeploymentStatus::pending)));
  CHECK(with(other_row(3, at(-3600), DeploymentStatus::success)));
  CHECK_FALSE(with(other_row(3, at(-3600) + one_us, DeploymentStatus::success)));
  CHECK(with(other_row(3, noon + one_us, DeploymentStatus::success)));  // has not begun to serve
}

TEST_CASE("blame: earlier deployments of the same service do not take it off") {
  World world = blamed_world();
  world.deployments.put(row(5, at(-700)));
  CHECK(blamed(world));
}

TEST_CASE("blame: never another than the newest current deployment") {
  World world = blamed_world();
  CHECK_FALSE(blamed(world, noon, 1));
  Deployment newer = other_row(3, at(-5000), DeploymentStatus::success);
  newer.utilisation_at_arrival = 1;
  world.deployments.put(newer);
  CHECK(blamed(world));
  CHECK_FALSE(blamed(world, noon, 3));
}

TEST_CASE("blame: the newest current deployment goes by deployed_at, then by row") {
  World world = world_at_noon();
  CHECK(rules::newest_current(world, noon)->row == 2);
  world.deployments.put(other_row(7, at(-600), DeploymentStatus::success));
  CHECK(rules::newest_current(world, noon)->row == 7);
  world.deployments.put(other_row(8, at(5), DeploymentStatus::success));
  CHECK(rules::newest_current(world, noon)->row == 7);
  CHECK(rules::newest_current(world, at(5))->row == 8);
  CHECK(rules::newest_current(World{rules::PolicyBook{}}, noon) == nullptr);
}

}  // namespace rollbackd::tests
