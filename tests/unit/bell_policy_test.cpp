#include "engine/feed/bell_policy.hpp"

#include <doctest/doctest.h>

#include "engine/feed/rate.hpp"

namespace rollbackd::tests {
namespace {

using engine::BellMeasurements;
using engine::BellPolicy;
using engine::BellReason;
using engine::Rate;
using engine::SteadyTime;

SteadyTime steady_at(double seconds) {
  return SteadyTime{rules::Duration{static_cast<std::int64_t>(seconds * 1e6)}};
}

BellMeasurements measured(double bells, double events = 0,
                          rules::Duration latency = rules::Duration{1000}) {
  return {bells, events, latency, 0, 0};
}

// The same, and one writer waits.
BellMeasurements waiting(double bells, rules::Duration latency = rules::Duration{1000}) {
  return {bells, 0, latency, 0, 1};
}

BellMeasurements harm(double queue, std::uint64_t waiters) {
  return {1, 1, rules::Duration{1000}, queue, waiters};
}

// The time at which it rings again, when it is calm from `from` on.
double rings_again(BellPolicy& policy, double from) {
  for (double t = from;; t += 0.1) {
    if (policy.may_ring(measured(1, 1), steady_at(t))) {
      return t - from;
    }
    REQUIRE(t < from + 100);
  }
}

}  // namespace

TEST_CASE("bell policy: it is silenced when ringing would hold the lock a third of the time") {
  const auto rings = [](const BellMeasurements& now) {
    return BellPolicy{}.may_ring(now, steady_at(0));
  };
  CHECK(rings(waiting(290)));
  CHECK_FALSE(rings(waiting(310)));
  // A quick disk lets more of them pass, a slow one fewer; and each costs something of its own.
  CHECK(rings(measured(990, 0, rules::Duration{100})));
  CHECK_FALSE(rings(measured(1010, 0, rules::Duration{100})));
  CHECK_FALSE(rings(waiting(200, rules::Duration{20'000})));
  CHECK(rings(waiting(190, rules::Duration{20'000})));
  // A client that commits one row after the other makes nobody wait.
  CHECK(rings(measured(900, 0, rules::Duration{1000})));
  // A bulk load is one bell.
  CHECK(rings(measured(5, 1'000'000)));
}

TEST_CASE("bell policy: writers that wait, and a queue that fills, silence it at any rate") {
  const auto reason = [](const BellMeasurements& now) {
    BellPolicy policy;
    policy.may_ring(now, steady_at(0));
    return policy.reason();
  };
  CHECK(reason(harm(0, 1)) == BellReason::calm);
  CHECK(reason(harm(0, 2)) == BellReason::waiters);
  CHECK(reason(harm(0.05, 0)) == BellReason::calm);
  CHECK(reason(harm(0.06, 0)) == BellReason::queue);
}

TEST_CASE("bell policy: it rings again after a calm second, and calm is well below the storm") {
  BellPolicy policy;
  CHECK_FALSE(policy.may_ring(waiting(500), steady_at(0)));
  CHECK_FALSE(policy.may_ring(measured(0, 20'000), steady_at(5)));
  CHECK_FALSE(policy.may_ring(measured(0, 110), steady_at(6)));  // would ring, did not silence
  CHECK_FALSE(policy.may_ring(measured(0, 90), steady_at(7)));
  CHECK_FALSE(policy.may_ring(measured(0, 90), steady_at(7.9)));
  CHECK(policy.may_ring(measured(0, 90), steady_at(8)));
  CHECK(policy.reason() == BellReason::calm);
}

TEST_CASE("bell policy: calm that is interrupted begins anew") {
  BellPolicy policy;
  CHECK_FALSE(policy.may_ring(waiting(500), steady_at(0)));
  CHECK_FALSE(policy.may_ring(measured(0, 1), steady_at(1)));
  CHECK_FALSE(policy.may_ring(measured(0, 5000), steady_at(1.9)));
  CHECK_FALSE(policy.may_ring(measured(0, 1), steady_at(2)));
  CHECK_FALSE(policy.may_ring(measured(0, 1), steady_at(2.9)));
  CHECK(policy.may_ring(measured(0, 1), steady_at(3)));
}

TEST_CASE("bell policy: while others' writers wait, or somebody forges bells, it stays silent") {
  BellPolicy policy;
  CHECK_FALSE(policy.may_ring(measured(10'000), steady_at(0)));
  CHECK_FALSE(policy.may_ring(measured(9'000, 0), steady_at(60)));
  CHECK_FALSE(policy.may_ring(harm(0, 1), steady_at(120)));
  CHECK_FALSE(policy.may_ring(harm(0.03, 0), steady_at(180)));
  CHECK(rings_again(policy, 200) >= 1);
}

TEST_CASE("bell policy: storms that come back soon are waited for longer, up to half a minute") {
  BellPolicy policy;
  double now = 0;
  std::vector<int> waits;
  for (int storm = 0; storm < 7; ++storm) {
    policy.may_ring(waiting(500), steady_at(now));
    const double waited = rings_again(policy, now + 0.1);
    waits.push_back(static_cast<int>(waited + 0.5));
    now += waited + 5;
  }
  CHECK(waits == std::vector<int>{1, 2, 4, 8, 16, 30, 30});
  now += 60;
  policy.may_ring(waiting(500), steady_at(now));
  CHECK(rings_again(policy, now + 0.1) < 1.5);
}

TEST_CASE("rate: counts over its span only, in a ring that forgets") {
  Rate rate{rules::seconds{1}};
  rate.add(10, steady_at(100.05));
  rate.add(20, steady_at(100.55));
  CHECK(rate.per_second(steady_at(100.6)) == 30);
  CHECK(rate.per_second(steady_at(100.99)) == 30);
  CHECK(rate.per_second(steady_at(101.05)) == 20);
  CHECK(rate.per_second(steady_at(101.55)) == 0);
  rate.add(7, steady_at(200));
  CHECK(rate.per_second(steady_at(200)) == 7);
  Rate quick{rules::Duration{100'000}};
  quick.add(5, steady_at(1));
  CHECK(quick.per_second(steady_at(1)) == 50);
}

}  // namespace rollbackd::tests
