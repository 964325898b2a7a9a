#include "rules/migrations.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "rules/limits.hpp"
#include "rules/preconditions.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::Check;
using rules::Migration;
using rules::Outcome;
using rules::Reason;
using rules::World;

// v1 is good since an hour, v2 serves since ten minutes; these are the migrations.
World world_with(std::vector<Migration> migrations, bool may_revert = false) {
  rules::Policy policy;
  policy.may_revert_migrations = may_revert;
  World world = world_at_noon(policy);
  log_errors(world, 2, 6);
  world.control = rules::ControlRead{};
  world.control->migrations = std::move(migrations);
  return world;
}

Migration of(std::uint64_t deployment, const std::string& name = "m") {
  return {name, numbered_id(deployment), noon, false, false, false};
}

Migration of_nobody(rules::Instant applied_at) {
  return {"m", std::nullopt, applied_at, false, false, false};
}

Check check_of(const World& world, Reason name, bool reverts = false) {
  for (const Check& check :
       rules::preconditions(world, {row_of(world, 2), !reverts, false, reverts}, noon)) {
    if (check.name == name) {
      return check;
    }
  }
  FAIL("no such check");
  return {};
}

Outcome outcome(const World& world, bool reverts = false) {
  return check_of(world, Reason::migration, reverts).outcome;
}

}  // namespace

TEST_CASE("migrations: those since the target are of a newer deployment of the service") {
  CHECK(outcome(world_with({})) == Outcome::compliant);
  CHECK(outcome(world_with({of(1)})) == Outcome::compliant);  // the target's own
  CHECK(outcome(world_with({of(2)})) == Outcome::violation);
  World other = world_with({of(7)});
  rules::Deployment d = row(7, at(-60));
  d.service.name = "other";
  other.deployments.put(d);
  CHECK(outcome(other) == Outcome::compliant);
}

TEST_CASE("migrations: one of nobody counts when it was applied after the target's deployed_at") {
  CHECK(outcome(world_with({of_nobody(at(-3600))})) == Outcome::compliant);
  CHECK(outcome(world_with({of_nobody(at(-3600) + rules::Duration{1})})) == Outcome::violation);
  Migration unknown = of(77);  // a deployment that memory does not have
  CHECK(outcome(world_with({unknown})) == Outcome::violation);
}

TEST_CASE("migrations: backward compatible ones hinder nothing") {
  Migration compatible = of(2);
  compatible.backward_compatible = true;
  CHECK(outcome(world_with({compatible})) == Outcome::compliant);
  const World mixed = world_with({compatible, of(2, "drop_column")});
  const Check check = check_of(mixed, Reason::migration);
  CHECK(check.outcome == Outcome::violation);
  CHECK(rules::value_text(check.measured) == "1");
  CHECK(check.text.find("drop_column") != std::string::npos);
}

TEST_CASE("migrations: they can be reverted when each has a script and there is a role for it") {
  Migration scripted = of(2);
  scripted.has_script = true;
  CHECK(outcome(world_with({scripted}, true), true) == Outcome::compliant);
  CHECK(outcome(world_with({scripted, of(2, "bare")}, true), true) == Outcome::violation);
  const Check without_role = check_of(world_with({scripted}, false), Reason::migration, true);
  CHECK(without_role.outcome == Outcome::violation);
  CHECK(without_role.text.find("rollback.migration_role") != std::string::npos);
}

TEST_CASE("migrations: too many to be read are not taken for none") {
  Migration compatible = of(2);
  compatible.backward_compatible = true;
  World world = world_with({compatible});
  world.control->migrations_cut = true;
  CHECK(outcome(world) == Outcome::violation);
  world.control->migrations.insert(world.control->migrations.begin(), of(1));
  CHECK(outcome(world) == Outcome::compliant);  // all since the target are there
}

TEST_CASE("migrations: newest first, as they are to be reverted") {
  const World world = world_with({of(2, "a"), of(2, "b"), of(2, "c")});
  std::string names;
  for (const Migration* migration : rules::migrations_since(world, row_of(world, 1))) {
    names += migration->name;
  }
  CHECK(names == "cba");
}

TEST_CASE("migrations: one that failed to revert leaves the database inconsistent") {
  Migration stuck = of(1);
  stuck.revert_failed = true;
  const Check check = check_of(world_with({stuck}), Reason::inconsistent_database);
  CHECK(check.outcome == Outcome::violation);
  CHECK(check.text.find("ops.migration_history") != std::string::npos);
  World other = world_with({stuck});
  rules::Deployment d = row_of(other, 1);
  d.service.name = "other";
  other.deployments.put(d);
  CHECK(check_of(other, Reason::inconsistent_database).outcome == Outcome::compliant);
}

TEST_CASE("migrations: values longer than a workflow takes are unsafe, to the character") {
  const auto with_version = [](std::size_t length) {
    World world = world_with({});
    rules::Deployment target = row_of(world, 1);
    target.version.assign(length, 'v');
    world.deployments.put(target);
    return check_of(world, Reason::unsafe_value).outcome;
  };
  const std::size_t others = app.environment.size() + app.name.size() + 2;  // and "c1"
  const std::size_t most = rules::limits::inputs_max - rules::limits::inputs_of_ours_max - others;
  CHECK(with_version(most) == Outcome::compliant);
  CHECK(with_version(most + 1) == Outcome::violation);
}

}  // namespace rollbackd::tests
