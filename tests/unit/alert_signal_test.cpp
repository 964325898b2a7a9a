// The signal `alert`: an Alertmanager's alert that fires for the service (DESIGN.md section 4).

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "rules/guards.hpp"
#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::Reason;
using rules::Signal;
using Words = std::vector<std::string>;

const rules::Service other{"production", "other"};

rules::Trigger on_alert(std::string name, rules::Duration held_for = rules::Duration{0}) {
  return {"slow", Signal::alert, 0, 0, held_for, rules::TriggerAction::rollback, std::move(name)};
}

rules::Policy only(rules::Trigger trigger) {
  rules::Policy policy;
  policy.triggers = {std::move(trigger)};
  return policy;
}

rules::ControlRead with(std::vector<rules::FiringAlert> alerts) {
  rules::ControlRead control;
  control.alerts = std::move(alerts);
  return control;
}

std::optional<double> measured(const rules::World& world, std::string_view name) {
  return rules::DeploymentMeasurements{world, numbered_id(2)}.measure_alert(name);
}

}  // namespace

TEST_CASE("signal alert: 1 while it fires for the service, 0 when it does not, unknown before") {
  rules::World world = world_at_noon();
  CHECK_FALSE(measured(world, "Slow"));
  world.control = with({{app, "Slow", at(-5)}, {other, "Down", at(-5)}});
  rules::take_alerts(world, world.control->alerts);
  CHECK(measured(world, "Slow") == 1);
  CHECK(measured(world, "Down") == 0);
  CHECK(measured(world, "slow") == 0);
  CHECK(measured(world, "") == 0);
}

TEST_CASE("signal alert: of one name that fires several times the first counts, and who changed") {
  rules::World world = world_at_noon();
  using Changed = std::set<rules::Service>;
  CHECK(take_alerts(world, {{app, "Slow", at(-5)}, {app, "Slow", at(-9)}}) == Changed{app});
  CHECK(alert_since(world, app, "Slow") == at(-9));
  CHECK(take_alerts(world, {{app, "Slow", at(-9)}, {other, "Slow", at(-1)}}) == Changed{other});
  CHECK(take_alerts(world, {{app, "Slow", at(-9)}, {other, "Slow", at(-1)}}).empty());
  CHECK(take_alerts(world, {{other, "Down", at(-1)}}) == Changed{app, other});
  CHECK(take_alerts(world, {}) == Changed{other});
  CHECK(world.alerts.empty());
}

TEST_CASE("signal alert: a rollback is decided as soon as it is read, and says why") {
  Bench bench{only(on_alert("Slow"))};
  bench.control = with({{app, "Slow", noon}});
  bench.take(bench.control);
  REQUIRE(bench.rollback());
  CHECK(bench.rollback()->reason == "slow: alert 1 above 0");
  CHECK(bench.rollback()->evidence.signal == "alert");
  CHECK(bench.rollback()->evidence.measured == 1);
  CHECK(bench.stories() == Words{"rollback_validation", "rollback_initiated"});
}

TEST_CASE("signal alert: another name, another service and one that is unknown are nothing") {
  Bench bench{only(on_alert("Slow"))};
  bench.take(with({{app, "Fast", noon}, {other, "Slow", noon}, {{"nowhere", "x"}, "Slow", noon}}));
  bench.pass(3);
  CHECK_FALSE(bench.rollback());
  CHECK_FALSE(bench.world().services.contains(rules::Service{"nowhere", "x"}));
}

TEST_CASE("signal alert: it has to hold for as long as the row asks, without interruption") {
  Bench bench{only(on_alert("Slow", rules::seconds{10}))};
  bench.control = with({{app, "Slow", noon}});
  bench.take(bench.control);
  bench.pass(9);
  CHECK_FALSE(bench.rollback());
  bench.control = with({});
  bench.take(bench.control);
  bench.pass(1);
  bench.control = with({{app, "Slow", bench.now}});
  bench.take(bench.control);
  bench.pass(9);
  CHECK_FALSE(bench.rollback());
  bench.pass(1);
  CHECK(bench.rollback());
}

TEST_CASE("signal alert: it warns with its name") {
  rules::Trigger trigger = on_alert("Slow");
  trigger.action = rules::TriggerAction::warn;
  Bench bench{only(trigger)};
  bench.take(with({{app, "Slow", noon}}));
  const auto warnings = bench.all_told("warning");
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].description == "slow: alert 1 above 0");
  CHECK(warnings[0].metadata.back() == rules::Field{"alert", "Slow"});
  CHECK_FALSE(bench.rollback());
}

TEST_CASE("signal alert: one that fired before the deployment came is not the deployment's") {
  const auto holds_with = [](double since, bool is_replacement) {
    rules::World world = world_at_noon(only(on_alert("Slow")));
    rules::Deployment current = row_of(world, 2);
    if (is_replacement) {
      current.rollback_from = numbered_id(1);
    }
    world.deployments.put(current);
    world.control = with({{app, "Slow", at(since)}});
    rules::take_alerts(world, world.control->alerts);
    return rules::holds(world, row_of(world, 2), noon);
  };
  CHECK(holds_with(-601, false) == std::vector{Reason::unhealthy_before});
  CHECK(holds_with(-600, false).empty());
  CHECK(holds_with(-601, true).empty());
}

}  // namespace rollbackd::tests
