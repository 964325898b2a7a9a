#include "rules/preconditions.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::Check;
using rules::Deployment;
using rules::DeploymentStatus;
using rules::Outcome;
using rules::Reason;
using rules::Value;
using rules::World;

// v2 of world_at_noon() with six errors: everything is as an automatic rollback wants it.
World firing_world() {
  World world = world_at_noon();
  log_errors(world, 2, 6);
  return world;
}

Check check_of(const World& world, Reason name, std::int64_t number = 2, bool automatic = true,
               bool under_way = false) {
  const auto checks =
      rules::preconditions(world, {row_of(world, number), automatic, under_way}, noon);
  const auto found =
      std::find_if(checks.begin(), checks.end(), [&](const Check& c) { return c.name == name; });
  REQUIRE(found != checks.end());
  return *found;
}

Value text(const char* s) { return std::string{s}; }
Value number(std::int64_t n) { return n; }

void change(World& world, std::int64_t number, const std::function<void(Deployment&)>& how) {
  Deployment changed = row_of(world, number);
  how(changed);
  world.deployments.put(changed);
}

}  // namespace

TEST_CASE("preconditions: a firing current deployment with a target passes all of them, in order") {
  const World world = firing_world();
  const auto validation = rules::validate(world, {row_of(world, 2)}, noon);
  CHECK(validation.compliant());
  CHECK(validation.texts(Outcome::warning).empty());
  std::vector<Reason> names;
  for (const Check& check : validation.checks) {
    names.push_back(check.name);
  }
  CHECK(names == std::vector{Reason::law_inhabitance, Reason::law_harmonic_attraction,
                             Reason::law_total_coherence, Reason::law_structural_integrity,
                             Reason::already_stable, Reason::no_target, Reason::under_way,
                             Reason::not_deployed, Reason::superseded, Reason::rollback_of_rollback,
                             Reason::migration, Reason::inconsistent_database,
                             Reason::unsafe_value});
}

TEST_CASE("preconditions: the laws hear the entropy of the moment") {
  World world = world_at_noon();
  log_errors(world, 2, 42);
  const auto validation = rules::validate(world, {row_of(world, 2)}, noon);
  CHECK(validation.checks[2].name == Reason::law_total_coherence);
  CHECK(validation.checks[2].measured == Value{0.42});
}

TEST_CASE("preconditions: already_stable forbids an automatic rollback and warns a person") {
  World world = world_at_noon();
  log_errors(world, 2, 4, -200);
  const Check automatic = check_of(world, Reason::already_stable);
  CHECK(automatic.outcome == Outcome::violation);
  CHECK(automatic.measured == number(4));
  CHECK(automatic.limit == number(5));
  CHECK(automatic.text == "System already stable: 4 errors in the last 5 minutes");
  const Check manual = check_of(world, Reason::already_stable, 2, false);
  CHECK(manual.outcome == Outcome::warning);
  CHECK(manual.text == automatic.text);
}

TEST_CASE("preconditions: five events in five minutes are not stable, nor is a firing trigger") {
  World world = world_at_noon();
  log_errors(world, 2, 5, -200);
  CHECK(check_of(world, Reason::already_stable).outcome == Outcome::compliant);
  World quiet = world_at_noon();
  quiet.samples = rules::Sampled{91, 91, 1, {}};
  CHECK(check_of(quiet, Reason::already_stable).outcome == Outcome::compliant);
  quiet.samples = rules::Sampled{90, 90, 1, {}};
  CHECK(check_of(quiet, Reason::already_stable).outcome == Outcome::violation);
}

TEST_CASE("preconditions: a row that only warns does not make a system unstable") {
  World world = world_at_noon();
  world.samples = rules::Sampled{10, 10, 1, 99.0};
  CHECK(check_of(world, Reason::already_stable).outcome == Outcome::violation);
}

TEST_CASE("preconditions: no_target names the target, or what one would have to be") {
  World world = firing_world();
  const Check passed = check_of(world, Reason::no_target);
  CHECK(passed.outcome == Outcome::compliant);
  CHECK(passed.measured == text("v1"));
  change(world, 1, [](Deployment& d) { d.health_check_passed = false; });
  const Check check = check_of(world, Reason::no_target);
  CHECK(check.outcome == Outcome::violation);
  CHECK(check.measured == text("none"));
  CHECK(check.text == "No valid rollback target found");
}

TEST_CASE("preconditions: what is no target, one property at a time") {
  const auto without = [](const std::function<void(Deployment&)>& how) {
    World world = firing_world();
    change(world, 1, how);
    return check_of(world, Reason::no_target).outcome == Outcome::violation;
  };
  CHECK_FALSE(without([](Deployment&) {}));
  CHECK(without([](Deployment& d) { d.status = DeploymentStatus::in_progress; }));
  CHECK(without([](Deployment& d) { d.status = DeploymentStatus::failed; }));
  CHECK(without([](Deployment& d) { d.status = DeploymentStatus::rolled_back; }));
  CHECK(without([](Deployment& d) { d.status = DeploymentStatus::pending; }));
  CHECK(without([](Deployment& d) { d.rollback_from = numbered_id(9); }));
  CHECK(without([](Deployment& d) { d.service.name = "other"; }));
  CHECK(without([](Deployment& d) { d.service.environment = "staging"; }));
  CHECK(without([](Deployment& d) { d.deployed_at = at(-1); }));  // younger than the bad one
  CHECK(without([](Deployment& d) { d.deployed_at.reset(); }));
  CHECK(without([](Deployment& d) {
    d.version = "v2";
    d.git_commit = "c2";
  }));
  CHECK_FALSE(without([](Deployment& d) { d.version = "v2"; }));
  CHECK_FALSE(without([](Deployment& d) { d.git_commit = "c2"; }));
}

TEST_CASE("preconditions: under_way says whether a rollback of the service is active") {
  const World world = firing_world();
  const Check free = check_of(world, Reason::under_way);
  CHECK(free.outcome == Outcome::compliant);
  CHECK(free.measured == Value{false});
  CHECK(free.limit == Value{false});
  const Check taken = check_of(world, Reason::under_way, 2, false, true);
  CHECK(taken.outcome == Outcome::violation);
  CHECK(taken.measured == Value{true});
  CHECK(taken.text == "A rollback of this service is under way");
}

TEST_CASE("preconditions: a pending row is not_deployed") {
  World world = firing_world();
  change(world, 2, [](Deployment& d) { d.status = DeploymentStatus::pending; });
  const Check check = check_of(world, Reason::not_deployed);
  CHECK(check.outcome == Outcome::violation);
  CHECK(check.measured == text("pending"));
  CHECK(check.limit == text("not pending"));
  for (const auto status : {DeploymentStatus::in_progress, DeploymentStatus::success,
                            DeploymentStatus::failed, DeploymentStatus::rolled_back}) {
    change(world, 2, [&](Deployment& d) { d.status = status; });
    CHECK(check_of(world, Reason::not_deployed).outcome == Outcome::compliant);
    CHECK(check_of(world, Reason::not_deployed).measured == Value{std::string{name_of(status)}});
  }
}

TEST_CASE("preconditions: superseded when another deployment is current, or none") {
  World world = firing_world();
  CHECK(check_of(world, Reason::superseded).outcome == Outcome::compliant);
  CHECK(check_of(world, Reason::superseded).measured == Value{numbered_id(2).text()});
  world.deployments.put(row(3, at(0)));
  const Check check = check_of(world, Reason::superseded);
  CHECK(check.outcome == Outcome::violation);
  CHECK(check.measured == Value{numbered_id(3).text()});
  CHECK(check.limit == Value{numbered_id(2).text()});
  CHECK(check.text == "Another deployment is current: v3 (" + numbered_id(3).text() + ")");
  CHECK(check_of(world, Reason::superseded, 3).outcome == Outcome::compliant);
}

TEST_CASE("preconditions: one that serves from a moment ahead supersedes nothing yet") {
  World world = firing_world();
  world.deployments.put(row(3, noon + rules::Duration{1}));
  CHECK(check_of(world, Reason::superseded).outcome == Outcome::compliant);
}

TEST_CASE("preconditions: a failed row is nobody's current deployment") {
  World world = firing_world();
  change(world, 1, [](Deployment& d) { d.status = DeploymentStatus::pending; });
  change(world, 2, [](Deployment& d) {
    d.status = DeploymentStatus::failed;
    d.completed_at = at(-1);
  });
  const Check check = check_of(world, Reason::superseded);
  CHECK(check.outcome == Outcome::violation);
  CHECK(check.measured == text("none"));
  CHECK(check.text == "Another deployment is current: none");
}

TEST_CASE("preconditions: rollback_of_rollback binds only the unattended") {
  World world = firing_world();
  change(world, 2, [](Deployment& d) { d.rollback_from = numbered_id(9); });
  const Check check = check_of(world, Reason::rollback_of_rollback);
  CHECK(check.outcome == Outcome::violation);
  CHECK(check.measured == Value{true});
  CHECK(check.limit == Value{false});
  CHECK(check_of(world, Reason::rollback_of_rollback, 2, false).outcome == Outcome::compliant);
}

TEST_CASE("preconditions: values that an executor must never see") {
  CHECK(rules::is_safe_value("v2.5.2"));
  CHECK(rules::is_safe_value("feature/x-1 (hot fix)"));
  CHECK(rules::is_safe_value("\xC3\xA4 \xF0\x9F\x9A\x80"));  // not ASCII is not unsafe
  CHECK(rules::is_safe_value("a-b"));
  CHECK(rules::is_safe_value(" -x"));
  CHECK_FALSE(rules::is_safe_value(""));
  CHECK_FALSE(rules::is_safe_value("-v"));
  CHECK_FALSE(rules::is_safe_value("--force"));
  for (int c = 0; c < 0x20; ++c) {
    CAPTURE(c);
    CHECK_FALSE(rules::is_safe_value(std::string{"v1"} + static_cast<char>(c)));
  }
  CHECK_FALSE(rules::is_safe_value("v\x7F"));
}

TEST_CASE(
    "preconditions: unsafe_value looks at each value that leaves the daemon, and says which") {
  const auto outcome = [](const std::function<void(World&)>& how) {
    World world = firing_world();
    how(world);
    return check_of(world, Reason::unsafe_value);
  };
  CHECK(outcome([](World&) {}).outcome == Outcome::compliant);
  const Check version =
      outcome([](World& w) { change(w, 1, [](Deployment& d) { d.version = "-rf"; }); });
  CHECK(version.outcome == Outcome::violation);
  CHECK(version.measured == text("version"));
  const Check commit =
      outcome([](World& w) { change(w, 1, [](Deployment& d) { d.git_commit = "a\nb"; }); });
  CHECK(commit.outcome == Outcome::violation);
  CHECK(commit.measured == text("git_commit"));
  const auto in_service = [&](const rules::Service& service) {
    return outcome([&](World& w) {
      change(w, 1, [&](Deployment& d) { d.service = service; });
      change(w, 2, [&](Deployment& d) { d.service = service; });
    });
  };
  CHECK(in_service({"-production", "app"}).measured == text("environment"));
  CHECK(in_service({"production", "app\t"}).measured == text("service"));
  // The bad one's own version goes nowhere.
  const Check own =
      outcome([](World& w) { change(w, 2, [](Deployment& d) { d.version = "-bad"; }); });
  CHECK(own.outcome == Outcome::compliant);
}

TEST_CASE("preconditions: every violation is told, not only the first") {
  World world = world_at_noon();
  change(world, 1, [](Deployment& d) { d.health_check_passed = false; });
  change(world, 2, [](Deployment& d) { d.rollback_from = numbered_id(9); });
  world.deployments.put(row(3, at(-1)));
  const auto validation = rules::validate(world, {row_of(world, 2), true, true}, noon);
  CHECK_FALSE(validation.compliant());
  CHECK(validation.violated() == std::vector{Reason::already_stable, Reason::no_target,
                                             Reason::under_way, Reason::superseded,
                                             Reason::rollback_of_rollback});
  CHECK(validation.texts(Outcome::violation).size() == 5);
}

}  // namespace rollbackd::tests
