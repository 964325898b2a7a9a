#include "rules/migrations.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using Names = std::vector<std::string>;

rules::Migration migration(const std::string& name, std::optional<rules::DeploymentId> deployment,
                           std::optional<rules::Instant> applied_at = {}) {
  return {name, deployment, applied_at, false, true, false};
}

Names since(rules::World& world, std::vector<rules::Migration> all) {
  world.control = rules::ControlRead{1, {}, {}, std::move(all), false};
  return names_of(migrations_since(world, row_of(world, 1)));
}

}  // namespace

TEST_CASE("migrations: those of newer deployments of the service, newest first") {
  auto world = world_at_noon();
  CHECK(since(world, {migration("of the target", numbered_id(1), at(-3600)),
                      migration("first", numbered_id(2), at(-600)),
                      migration("second", numbered_id(2), at(-599))}) == Names{"second", "first"});
}

TEST_CASE("migrations: another service's do not count, whenever they were applied") {
  auto world = world_at_noon();
  rules::Deployment other = row(7, at(-60));
  other.service = {"production", "mail"};
  world.deployments.put(other);
  CHECK(since(world, {migration("mail", numbered_id(7), at(-60))}).empty());
}

TEST_CASE("migrations: of no deployment it counts by when it was applied") {
  auto world = world_at_noon();
  CHECK(since(world, {migration("before", {}, at(-3601)), migration("with", {}, at(-3600)),
                      migration("after", {}, at(-3599)), migration("nobody knows", {})}) ==
        Names{"after"});
}

TEST_CASE("migrations: one of a deployment that is not known counts as one of none") {
  auto world = world_at_noon();
  CHECK(since(world, {migration("old", numbered_id(99), at(-4000)),
                      migration("new", numbered_id(99), at(-1))}) == Names{"new"});
}

TEST_CASE("migrations: nothing is known before the first look at them") {
  const auto world = world_at_noon();
  CHECK(migrations_since(world, row_of(world, 1)).empty());
}

}  // namespace rollbackd::tests
