#include "rules/policy.hpp"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "rules/limits.hpp"

namespace rollbackd::rules {
namespace {

Policy with_cooldown(seconds cooldown) {
  Policy policy;
  policy.cooldown = cooldown;
  return policy;
}

}  // namespace

TEST_CASE("policy: the defaults are the contract's") {
  const Policy policy;
  CHECK(policy.triggers == default_triggers());
  CHECK(policy.probation == minutes{5});
  CHECK(policy.blame_window == minutes{60});
  CHECK(policy.confirm == seconds{2});
  CHECK(policy.settle == seconds{10});
  CHECK(policy.cooldown == minutes{3});
  CHECK(policy.stale_after == minutes{10});
  CHECK(policy.verify_window == 60);
  CHECK(policy.verify_healthy_below == 1);
  CHECK_FALSE(policy.verify_health_url);
}

TEST_CASE("policy: a service's own comes before its environment's, that before everybody's") {
  PolicyBook book{with_cooldown(seconds{1})};
  book.set_environment("production", with_cooldown(seconds{2}));
  book.set_service({"production", "api"}, with_cooldown(seconds{3}));
  CHECK(book.of({"production", "api"}).cooldown == seconds{3});
  CHECK(book.of({"production", "web"}).cooldown == seconds{2});
  CHECK(book.of({"staging", "api"}).cooldown == seconds{1});
  book.set_service({"production", "api"}, with_cooldown(seconds{4}));
  CHECK(book.of({"production", "api"}).cooldown == seconds{4});
}

TEST_CASE("policy: the windows to keep are all that any policy can ask for, once each") {
  Policy own;
  own.triggers = {{"burst", Signal::errors, 7, 1, {}, {}},
                  {"p95", Signal::response_time_p95, 11, 1, {}, {}},
                  {"connections", Signal::connection_utilisation, 0, 1, {}, {}}};
  own.verify_window = 13;
  Policy shared;
  shared.triggers = {{"long", Signal::errors_per_minute, 900, 1, {}, {}}};
  Policy none;
  none.triggers.clear();
  PolicyBook book{none};
  CHECK(book.window_lengths() == std::vector<Second>{60, 300});
  book.set_environment("production", shared);
  book.set_service({"production", "api"}, own);
  CHECK(book.window_lengths() == std::vector<Second>{7, 13, 60, 300, 900});
  CHECK(book.response_time_lengths() == std::vector<Second>{11, 300});
}

TEST_CASE("policy: the default needs the minute and the five minutes") {
  const auto lengths = PolicyBook{}.window_lengths();
  CHECK(lengths == std::vector<Second>{60, 300});
  CHECK(std::all_of(lengths.begin(), lengths.end(),
                    [](Second s) { return s <= limits::window_max; }));
}

}  // namespace rollbackd::rules
