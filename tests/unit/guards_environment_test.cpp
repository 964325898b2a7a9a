// The guards that look beyond the service: its neighbours, the cap, the breaker, the pause, and
// what was there before the deployment.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "rules/guards.hpp"
#include "rules/limits.hpp"
#include "tests/support/random.hpp"
#include "tests/support/rules_bench.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::Duration;
using rules::Instant;
using rules::Reason;
using rules::Service;
using rules::Standing;
using rules::World;

Service neighbour(std::int64_t number) { return {"production", "n" + std::to_string(number)}; }

rules::EventId event(std::uint64_t number) { return rules::EventId{numbered_id(number).bytes()}; }

void stand(World& world, const Service& service, const Standing& now) {
  world.environments.change(service.environment, world.services[service].standing, now);
}

// This many neighbours serve, and this many of them are bad.
World with_neighbours(std::int64_t serving, std::int64_t bad) {
  World world = world_at_noon();
  stand(world, app, {true, true, {}, false});
  for (std::int64_t i = 0; i < serving; ++i) {
    stand(world, neighbour(i), {true, i < bad, {}, false});
  }
  return world;
}

rules::Rollback claimed(std::uint64_t number, Instant when) {
  rules::Rollback rollback;
  rollback.id = event(number);
  rollback.service = neighbour(static_cast<std::int64_t>(number));
  rollback.claimed_at = when;
  return rollback;
}

World with_claims(std::uint64_t n, Instant when) {
  World world = world_at_noon();
  for (std::uint64_t i = 1; i <= n; ++i) {
    rules::note_claim(world, claimed(i, when), when);
  }
  return world;
}

}  // namespace

TEST_CASE("guards: others_bad when at least three and at least half of the others are") {
  CHECK(holds(with_neighbours(6, 3)) == Reasons{Reason::others_bad});
  CHECK(holds(with_neighbours(7, 3)).empty());
  CHECK(holds(with_neighbours(7, 4)) == Reasons{Reason::others_bad});
  CHECK(holds(with_neighbours(2, 2)).empty());
  CHECK(holds(with_neighbours(3, 3)) == Reasons{Reason::others_bad});
}

TEST_CASE(
    "guards: a service that is being rolled back counts as bad, one without a deployment not") {
  World world = with_neighbours(6, 2);
  stand(world, neighbour(5), {true, false, event(9), false});
  CHECK(holds(world) == Reasons{Reason::others_bad});
  stand(world, neighbour(5), {false, false, event(9), false});
  CHECK(holds(world).empty());
}

TEST_CASE("guards: what is bad in another environment is not ours") {
  World world = with_neighbours(0, 0);
  for (std::int64_t i = 0; i < 9; ++i) {
    stand(world, {"staging", "n" + std::to_string(i)}, {true, true, event(100), true});
  }
  CHECK(holds(world).empty());
}

TEST_CASE("guards: others_bad and capped are what counting everybody gives, in random worlds") {
  const std::uint64_t first = seed();
  for (std::uint64_t s = first; s < first + 300; ++s) {
    INFO("SEED=" << s);
    Random random{s};
    rules::Policy policy;
    policy.max_per_hour = static_cast<int>(random.between(0, 4));
    World world = world_at_noon(policy);
    std::vector<rules::Claim> claims;
    std::uint64_t number = 0;
    for (int step = 0; step < 60; ++step) {
      const std::int64_t who = random.between(0, 9);
      const Service service = who == 0  ? app
                              : who < 8 ? neighbour(who)
                                        : Service{"staging", "s" + std::to_string(who)};
      Standing standing{random.one_in(2), random.one_in(2), {}, random.one_in(2)};
      if (random.one_in(3)) {
        standing.rolling_back = event(++number);
      }
      stand(world, service, standing);
      if (random.one_in(4)) {
        rules::Rollback rollback = claimed(random.one_in(3) ? number : ++number,
                                           noon - rules::seconds{random.between(0, 4000)});
        rollback.service = service;
        rules::note_claim(world, rollback, noon - rules::seconds{4000});
        std::erase_if(claims, [&](const auto& c) { return c.event == rollback.id; });
        claims.push_back({rollback.id, service.environment, *rollback.claimed_at});
      }
      // The dumb way: everybody is looked at.
      int serving = 0;
      int bad = 0;
      std::set<rules::EventId> rollbacks;
      for (const auto& [other, state] : world.services) {
        const Standing& its = state.standing;
        if (other == app || other.environment != app.environment) {
          continue;
        }
        serving += its.has_current ? 1 : 0;
        bad += its.has_current && (its.fires || its.rolling_back) ? 1 : 0;
        if (its.rolling_back && its.automatic) {
          rollbacks.insert(*its.rolling_back);
        }
      }
      const auto own = world.services[app].standing.rolling_back;
      for (const auto& c : claims) {
        if (c.environment == app.environment && noon - c.at < rules::minutes{60} &&
            c.event != own) {
          rollbacks.insert(c.event);
        }
      }
      REQUIRE(rules::are_others_bad(world, app) == (bad >= 3 && bad * 2 >= serving));
      REQUIRE(rules::other_rollbacks(world, app, noon) == rollbacks.size());
    }
  }
}

TEST_CASE("guards: capped by as many other rollbacks as may be in an hour, to the microsecond") {
  CHECK(holds(with_claims(4, noon)).empty());
  const World full = with_claims(5, noon);
  CHECK(holds(full) == Reasons{Reason::capped});
  CHECK(holds(full, at(3600) - one_us).front() == Reason::capped);
  CHECK(rules::other_rollbacks(full, app, at(3600)) == 0);
}

TEST_CASE("guards: a rollback in progress counts for the cap, a person's does not") {
  World world = with_claims(4, noon);
  stand(world, neighbour(9), {true, false, event(50), false});
  CHECK(holds(world).empty());
  stand(world, neighbour(9), {true, false, event(50), true});
  CHECK(holds(world) == Reasons{Reason::capped});
  // Claimed, it is still one.
  rules::note_claim(world, claimed(50, noon), noon);
  CHECK(rules::other_rollbacks(world, app, noon) == 5);
}

TEST_CASE("guards: a rollback does not cap itself, however often it was claimed") {
  World world = with_claims(4, noon);
  stand(world, app, {true, true, event(50), true});
  rules::note_claim(world, claimed(50, at(-3)), noon);
  rules::note_claim(world, claimed(50, noon), noon);
  CHECK(holds(world).empty());
}

TEST_CASE("guards: a person's rollback is no claim") {
  World world = world_at_noon();
  rules::Rollback manual = claimed(1, noon);
  manual.type = rules::TriggerType::manual;
  rules::note_claim(world, manual, noon);
  CHECK(world.claims.empty());
}

TEST_CASE("guards: pause and breaker, all that apply named in their order") {
  World world = with_neighbours(3, 3);
  world.control = rules::ControlRead{};
  world.control->pause.on = true;
  world.control->breakers = {{"staging", "", noon}};
  CHECK(holds(world) == Reasons{Reason::paused, Reason::others_bad});
  world.control->breakers.push_back({"production", "", noon});
  world.services[app].latch = rules::Latch{{}, numbered_id(2)};
  world.services[app].automatic_ended_at = noon;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    rules::note_claim(world, claimed(i, noon), noon);
  }
  CHECK(holds(world) == Reasons{Reason::latched, Reason::paused, Reason::breaker_open,
                                Reason::capped, Reason::cooldown, Reason::others_bad});
}

TEST_CASE("guards: evidence is stale when the windows are older than stale_after") {
  rules::Policy policy;
  policy.stale_after = rules::seconds{1};
  const World world = world_at_noon(policy);
  CHECK(holds(world, at(2)).empty());
  CHECK(holds(world, at(2) + one_us) == Reasons{Reason::stale});
}

TEST_CASE("guards: unhealthy_before by the minute before it was deployed") {
  const auto world_with = [](double when, std::uint64_t events) {
    World world{rules::PolicyBook{}};
    world.deployments.put(good_row(1, at(-3600)));
    world.deployments.put(row(2, at(-30)));
    world.windows.advance(noon_second);
    world.complete = true;
    log_errors(world, 1, events, when);
    return world;
  };
  CHECK(holds(world_with(-40, 6)) == Reasons{Reason::unhealthy_before});
  CHECK(holds(world_with(-40, 5)).empty());
  CHECK(holds(world_with(-31, 6)) == Reasons{Reason::unhealthy_before});
  CHECK(holds(world_with(-30, 6)).empty());  // after it, by the whole second
  // It fires until a minute after its last event: at second -90 for those of -149.
  CHECK(holds(world_with(-149, 6)) == Reasons{Reason::unhealthy_before});
  CHECK(holds(world_with(-150, 6)).empty());
  // 51 in five minutes fire as well.
  CHECK(holds(world_with(-200, 51)) == Reasons{Reason::unhealthy_before});
}

TEST_CASE("guards: unhealthy_before by the snapshot of its arrival, if that tells") {
  World world = world_at_noon();
  log_errors(world, 1, 50, -620);
  world.deployments.mark_snapshot(numbered_id(2), true, 10, true);
  CHECK(holds(world) == Reasons{Reason::unhealthy_before});
  World other = world_at_noon();
  CHECK_FALSE(rules::was_unhealthy_before(other, row_of(other, 2)));  // memory ends at -300
  CHECK(holds(other).empty());
  other.deployments.mark_snapshot(numbered_id(2), true, 10, false);
  CHECK(holds(other).empty());
}

TEST_CASE("guards: that the bad one was bad before its replacement says nothing") {
  World world = world_at_noon();
  Deployment replacement = row(3, at(-30), rules::DeploymentStatus::success);
  replacement.rollback_from = numbered_id(2);
  world.deployments.put(replacement);
  log_errors(world, 2, 60, -40);
  CHECK(rules::was_unhealthy_before(world, row_of(world, 3)) == true);
  CHECK(holds(world, noon, 3).empty());
}

namespace {

// Eight services with a good deployment and a current one.
Bench eight_services() {
  Bench bench;
  rules::FeedRebuilt rebuilt{bench.now, "started", {}, {}};
  for (std::int64_t i = 0; i < 8; ++i) {
    Deployment good = good_row(10 * i + 1, at(-7200));
    Deployment current = row(10 * i + 2, at(-600));
    for (Deployment* d : {&good, &current}) {
      d->service = neighbour(i);
      d->seen = true;
      d->health_check_passed = true;
      rebuilt.deployments.push_back(*d);
    }
  }
  bench.take(rebuilt);
  bench.forget();
  return bench;
}

}  // namespace

TEST_CASE("guards: six of eight that go bad within confirm, in any order: none is rolled back") {
  const std::uint64_t first = seed();
  for (std::uint64_t s = first; s < first + 20; ++s) {
    INFO("SEED=" << s);
    Random random{s};
    Bench bench = eight_services();
    std::vector<std::int64_t> order{0, 1, 2, 3, 4, 5, 6, 7};
    for (std::size_t i = order.size(); i > 1; --i) {
      std::swap(
          order[i - 1],
          order[static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(i) - 1))]);
    }
    for (std::size_t i = 0; i < 6; ++i) {
      bench.now += Duration{random.between(0, 300'000)};
      bench.errors(6, neighbour(order[i]));
      for (const auto& put : bench.written<rules::PutRollback>()) {
        bench.take(rules::SnapshotTaken{
            put.rollback.deployment, rules::SnapshotType::pre_rollback, "an id", {}});
      }
    }
    bench.pass(10);
    CHECK(bench.started<rules::Deploy>().empty());
    for (const auto& put : bench.written<rules::PutRollback>()) {
      if (put.rollback.is_over()) {
        CHECK(put.rollback.ended_by == Reason::others_bad);
      }
    }
    CHECK(bench.told("rollback_held") == 6);
    CHECK(bench.told("breaker_opened") == 0);
  }
}

TEST_CASE("guards: three of eight are rolled back") {
  Bench bench = eight_services();
  for (std::int64_t i = 0; i < 3; ++i) {
    bench.errors(6, neighbour(i));
  }
  for (const auto& put : bench.written<rules::PutRollback>()) {
    bench.take(rules::SnapshotTaken{
        put.rollback.deployment, rules::SnapshotType::pre_rollback, "an id", {}});
  }
  bench.pass(10);
  CHECK(bench.started<rules::Deploy>().size() == 3);
}

TEST_CASE("guards: the cap opens the environment's breaker, once, until a person closes it") {
  rules::Policy policy;
  policy.max_per_hour = 0;
  Bench bench{policy};
  bench.errors(6);
  CHECK(bench.written<rules::OpenBreaker>().size() == 1);
  CHECK(bench.written<rules::OpenBreaker>()[0].environment == "production");
  CHECK(bench.told("breaker_opened") == 1);
  CHECK(bench.explained() == std::vector<std::string>{"breaker_open", "capped"});
  rules::ControlRead control;
  control.breakers = {{"production", "capped", bench.now}};
  bench.take(control);
  bench.pass(20);
  CHECK(bench.written<rules::OpenBreaker>().size() == 1);
  CHECK(bench.told("rollback_held") == 1);
  auto answers = bench.step(rules::CloseBreakerRequest{7, "production", "looked", "ann"}).answers;
  bench.confirm_all();
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].kind == rules::Answer::Kind::accepted);
  CHECK(bench.told("breaker_closed") == 1);
  CHECK(bench.written<rules::CloseBreaker>()[0].said.by == "ann");
  answers = bench.step(rules::CloseBreakerRequest{8, "staging", "looked", "ann"}).answers;
  CHECK(answers.at(0).kind == rules::Answer::Kind::no_breaker);
}

TEST_CASE("guards: what led to a breaker that a person has closed does not open it again") {
  for (const bool by_sql : {false, true}) {
    rules::Policy policy;
    policy.max_per_hour = 1;
    Bench bench{policy};
    rules::JournalRead journal;
    journal.claims = {
        {rules::EventId{numbered_id(9).bytes()}, "production", bench.now - rules::minutes{1}}};
    bench.take(journal);
    bench.errors(6);
    REQUIRE(bench.written<rules::OpenBreaker>().size() == 1);
    rules::ControlRead control;
    control.breakers = {{"production", "capped", bench.now}};
    bench.take(control);
    if (by_sql) {
      bench.take(rules::ControlRead{});
    } else {
      bench.step(rules::CloseBreakerRequest{7, "production", "looked", "ann"});
      bench.confirm_all();
    }
    bench.pass(10);
    CHECK(bench.written<rules::OpenBreaker>().size() == 1);
    CHECK(bench.rollback().has_value());
  }
}

TEST_CASE("guards: a breaker that was opened and is not read back is opened again, not forgotten") {
  rules::Policy policy;
  policy.max_per_hour = 0;
  Bench bench{policy};
  bench.errors(6);
  bench.take(rules::ControlRead{});  // read before it was written
  bench.pass(2);
  CHECK(bench.written<rules::OpenBreaker>().size() == 1);
  bench.pass(10);
  bench.take(rules::ControlRead{});
  bench.pass(1);
  CHECK(bench.written<rules::OpenBreaker>().size() == 2);
}

}  // namespace rollbackd::tests
