#include "rules/verification.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "rules/judgement.hpp"
#include "tests/support/random.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::Health;
using rules::Instant;
using rules::Rollback;
using rules::Second;
using rules::Verification;

constexpr std::int64_t replacement = 3;

// v2 was rolled back; its replacement v3 serves from noon. Time and errors are the test's.
struct Ward {
  explicit Ward(rules::Policy policy = {}) : world{world_at_noon(std::move(policy))} {
    Deployment d = row(replacement, noon, rules::DeploymentStatus::success);
    d.rollback_from = numbered_id(2);
    world.deployments.put(d);
    rollback.service = app;
    rollback.deployment = numbered_id(2);
    rollback.replacement = d.id;
    rollback.serving_from = noon;
    rollback.evidence.trigger = "error_rate";
  }

  Verification at_second(double when, std::optional<bool> health_url = std::nullopt) {
    world.windows.advance(rules::second_of(at(when)));
    return rules::verify(world, rollback, health_url, at(when));
  }
  void error(double when, std::uint64_t n = 1) { log_errors(world, replacement, n, when); }

  rules::World world;
  Rollback rollback;
};

rules::Policy with_health_url() {
  rules::Policy policy;
  policy.verify_health_url = true;
  return policy;
}

std::string evidence(const Verification& v) {
  REQUIRE_FALSE(v.findings.empty());
  CHECK(v.findings[0].key == "evidence");
  return rules::value_text(v.findings[0].value);
}

}  // namespace

TEST_CASE("verification: success at the first whole window, on silence, and not a moment sooner") {
  Ward ward;
  CHECK(ward.at_second(0).health == Health::wait);
  CHECK(ward.at_second(59.999999).health == Health::wait);
  const Verification seen = ward.at_second(60);
  CHECK(seen.health == Health::healthy);
  CHECK(evidence(seen) == "silence");
  CHECK(seen.error.empty());
}

TEST_CASE(
    "verification: a window that began within a second is whole when its seconds have passed") {
  Ward ward;
  ward.rollback.serving_from = at(0.7);
  CHECK(ward.at_second(60.001).health == Health::wait);
  CHECK(ward.at_second(60.699999).health == Health::wait);
  CHECK(ward.at_second(60.7).health == Health::healthy);
}

TEST_CASE("verification: nothing is said before the replacement serves") {
  Ward ward;
  ward.rollback.serving_from = at(10);
  ward.error(5, 50);
  CHECK(ward.at_second(9.999999).health == Health::wait);
}

TEST_CASE(
    "verification: the window slides until a quiet one is found, and events are its evidence") {
  Ward ward;
  ward.error(3);
  for (Second s = 1; s < 63; ++s) {
    CAPTURE(s);
    REQUIRE(ward.at_second(static_cast<double>(s)).health == Health::wait);
  }
  const Verification seen = ward.at_second(63);
  CHECK(seen.health == Health::healthy);
  CHECK(evidence(seen) == "events");
}

TEST_CASE("verification: healthy_below is strict") {
  rules::Policy policy;
  policy.verify_healthy_below = 2;
  Ward one{policy};
  one.error(30);
  CHECK(one.at_second(60).health == Health::healthy);
  Ward two{policy};
  two.error(30, 2);
  CHECK(two.at_second(60).health == Health::wait);
}

TEST_CASE("verification: failure at once when a rollback trigger fires on its own events") {
  Ward ward;
  ward.error(1, 5);
  CHECK(ward.at_second(2).health == Health::wait);
  ward.error(2);
  const Verification seen = ward.at_second(2);
  CHECK(seen.health == Health::unhealthy);
  CHECK(seen.error == "Still unhealthy: High error rate: 6 errors/minute");
  CHECK(evidence(seen) == "events");
}

TEST_CASE("verification: only the replacement's own events count") {
  Ward ward;
  log_errors(ward.world, 2, 100, 1);
  log_errors(ward.world, 1, 100, 1);
  CHECK(ward.at_second(60).health == Health::healthy);
}

TEST_CASE("verification: what is everybody's fails nothing, but it keeps its own rollback open") {
  Ward errors;
  errors.world.samples = rules::Sampled{99, 99, 1, {}};
  CHECK(errors.at_second(60).health == Health::healthy);
  Ward connections;
  connections.rollback.evidence.trigger = "db_connections";
  connections.world.samples = rules::Sampled{99, 99, 1, {}};
  CHECK(connections.at_second(60).health == Health::wait);
  connections.world.samples = rules::Sampled{90, 90, 1, {}};
  CHECK(connections.at_second(61).health == Health::healthy);
}

TEST_CASE("verification: a row with for: fails it when that is over, not before") {
  rules::Policy policy;
  policy.triggers = {{"burn", rules::Signal::errors, 300, 2, rules::seconds{20}, {}}};
  Ward ward{policy};
  rules::ServiceState& state = ward.world.services[app];
  state.judged = numbered_id(replacement);
  ward.error(1, 3);
  const auto look = [&](double when) {
    rules::firing_rows(ward.world, row_of(ward.world, replacement), state, at(when));
    return ward.at_second(when).health;
  };
  CHECK(look(1) == Health::wait);
  CHECK(look(20.9) == Health::wait);
  CHECK(look(21) == Health::unhealthy);
}

TEST_CASE("verification: after five windows it is over, healthy if stable") {
  Ward stable;
  for (const double when : {50, 110, 170, 230, 290}) {
    stable.error(when);
    CHECK(stable.at_second(when + 5).health == Health::wait);
  }
  // One event a minute is not under healthy_below, and four in five minutes are stable.
  const Verification seen = stable.at_second(300);
  CHECK(seen.health == Health::unhealthy);
  CHECK(seen.error == "Still unhealthy: 1 errors/minute after 300 seconds");
  Ward quieter;
  for (const double when : {50, 110, 170, 290}) {
    quieter.error(when);
  }
  CHECK(quieter.at_second(299).health == Health::wait);
  CHECK(quieter.at_second(300).health == Health::healthy);
}

TEST_CASE("verification: a window of one second is one") {
  rules::Policy policy;
  policy.verify_window = 1;
  Ward ward{policy};
  CHECK(ward.at_second(0.999999).health == Health::wait);
  CHECK(ward.at_second(1).health == Health::healthy);
}

TEST_CASE("verification: nothing is said across a gap, nor while the windows are counted anew") {
  Ward ward;
  ward.error(1, 50);
  ward.world.complete = false;
  CHECK(ward.at_second(400).health == Health::wait);
  ward.world.complete = true;
  ward.world.services[app].rebuilding = rules::Recounting{};
  CHECK(ward.at_second(400).health == Health::wait);
  ward.world.services[app].rebuilding.reset();
  CHECK(ward.at_second(400).health != Health::wait);
}

TEST_CASE("verification: health_url is asked once the window is quiet, and 2xx makes it healthy") {
  Ward ward{with_health_url()};
  CHECK(ward.at_second(59).health == Health::wait);
  CHECK(ward.at_second(60).health == Health::ask_health_url);
  CHECK(ward.at_second(60, true).health == Health::healthy);
  CHECK(ward.at_second(60, false).health == Health::wait);
  CHECK(ward.at_second(61).health == Health::ask_health_url);
}

TEST_CASE("verification: a good answer does not make a noisy window healthy") {
  Ward ward{with_health_url()};
  ward.error(30, 2);
  CHECK(ward.at_second(60, true).health == Health::wait);
}

TEST_CASE("verification: after five windows health_url is asked as well, and its no is the end") {
  Ward ward{with_health_url()};
  for (const double when : {50, 110, 170, 290}) {
    ward.error(when);
  }
  // Stable only; the one way to be healthy now is at the end.
  CHECK(ward.at_second(300).health == Health::ask_health_url);
  CHECK(ward.at_second(300, true).health == Health::healthy);
  const Verification seen = ward.at_second(300, false);
  CHECK(seen.health == Health::unhealthy);
  CHECK(seen.error == "Still unhealthy: health_url does not answer 2xx");
}

TEST_CASE("verification: a health_url that never answers is not waited for without end") {
  Ward ward{with_health_url()};
  CHECK(ward.at_second(329).health == Health::ask_health_url);
  CHECK(ward.at_second(330).health == Health::unhealthy);
}

TEST_CASE("verification: any errors end it as a look at every second says") {
  const std::uint64_t first = seed();
  for (std::uint64_t s = first; s < first + 200; ++s) {
    INFO("SEED=" << s);
    Random random{s};
    rules::Policy policy;
    policy.verify_window = random.between(5, 60);
    Ward ward{policy};
    std::vector<Second> errors;
    const auto count = [&](Second now, Second window) {
      return std::count_if(errors.begin(), errors.end(),
                           [&](Second e) { return e > now - window; });
    };
    Health health = Health::wait;
    for (Second now = 0; health == Health::wait; ++now) {
      if (random.one_in(12)) {
        errors.push_back(now);
        ward.error(static_cast<double>(now));
      }
      health = ward.at_second(static_cast<double>(now)).health;
      const auto rate = static_cast<double>(count(now, policy.verify_window)) * 60 /
                        static_cast<double>(policy.verify_window);
      Health expected = Health::wait;
      if (count(now, 60) > 5) {
        expected = Health::unhealthy;
      } else if (now >= policy.verify_window && rate < 1) {
        expected = Health::healthy;
      } else if (now >= 5 * policy.verify_window) {
        expected = count(now, 300) < 5 ? Health::healthy : Health::unhealthy;
      }
      CAPTURE(now);
      REQUIRE(health == expected);
    }
  }
}

}  // namespace rollbackd::tests
