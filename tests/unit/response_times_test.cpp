#include "rules/response_times.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include "rules/limits.hpp"
#include "tests/support/random.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::duration_bin_of;
using rules::duration_bin_seconds;
using rules::ResponseTimes;
using rules::Second;

const rules::DeploymentId one = numbered_id(1);
const rules::DeploymentId two = numbered_id(2);

// Even in its logarithm, from far below the first bin to far above the last.
double some_duration_ms(Random& random) {
  return std::exp(static_cast<double>(random.between(-6'000, 18'000)) / 1000.0);
}

// The scheme by arithmetic, where the code looks a list up.
rules::DurationBin dumb_bin(double milliseconds) {
  const double seconds = milliseconds / 1000;
  for (int octave = -14; octave < 12; ++octave) {
    const double base = std::ldexp(1.0, octave);
    if (seconds > base && seconds <= 2 * base) {
      const double part = std::ceil((seconds / base - 1) * 32);
      return static_cast<rules::DurationBin>((octave + 14) * 32 + static_cast<int>(part));
    }
  }
  return seconds <= 1 ? 0 : rules::duration_bins - 1;
}

std::int64_t slice_of(Second at) {
  return static_cast<std::int64_t>(std::floor(static_cast<double>(at) / 10));
}

// The dumb form: every duration is kept, and a percentile sorts all of them.
struct DumbTimes {
  struct Duration {
    rules::DeploymentId deployment;
    Second at;
    double milliseconds;
  };
  std::vector<Duration> all;
  Second now = 0;

  [[nodiscard]] std::optional<double> p95(const rules::DeploymentId& id, Second length) const {
    std::vector<double> in_window;
    for (const Duration& d : all) {
      const Second slice_end = slice_of(d.at) * 10 + 9;
      if (d.deployment == id && slice_end > now - length) {
        in_window.push_back(d.milliseconds);
      }
    }
    if (in_window.empty()) {
      return std::nullopt;
    }
    std::sort(in_window.begin(), in_window.end());
    const std::size_t rank = (19 * in_window.size() + 19) / 20;
    return in_window[rank - 1] / 1000;
  }
};

void add(ResponseTimes& times, const rules::DeploymentId& id, Second when, double milliseconds,
         std::uint64_t n = 1) {
  times.add(id, {slice_of(when), duration_bin_of(milliseconds), n});
}

ResponseTimes times_at(Second now, std::vector<Second> lengths = {60, 300}) {
  ResponseTimes times{std::move(lengths)};
  times.advance(now);
  return times;
}

}  // namespace

TEST_CASE("duration bins: what is told is off by 1/64 at most, between 61 us and 68 minutes") {
  CAPTURE(seed());
  Random random{seed()};
  for (int i = 0; i < 100'000; ++i) {
    const double milliseconds = some_duration_ms(random);
    const double told = duration_bin_seconds(duration_bin_of(milliseconds));
    CAPTURE(milliseconds);
    REQUIRE(duration_bin_of(milliseconds) == dumb_bin(milliseconds));
    const double within = std::clamp(milliseconds / 1000, std::ldexp(1.0, -14), 4096.0);
    REQUIRE(std::abs(told - within) <= within / 64);
  }
}

TEST_CASE("duration bins: a bin holds its upper edge, so that whole seconds are compared exactly") {
  for (const double threshold : {1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 30.0, 60.0}) {
    CAPTURE(threshold);
    CHECK(duration_bin_seconds(duration_bin_of(threshold * 1000)) <= threshold);
    CHECK(duration_bin_seconds(duration_bin_of(std::nextafter(threshold * 1000, 1e9))) > threshold);
  }
  CHECK(duration_bin_of(0) == 0);
  CHECK(duration_bin_seconds(duration_bin_of(1e9)) == 4096);
}

TEST_CASE("response times: the P95 is the time that 95 % do not exceed") {
  ResponseTimes times = times_at(1000);
  CHECK_FALSE(times.p95(one, 300));
  add(times, one, 1000, 100, 95);
  add(times, one, 1000, 7000, 5);
  CHECK(*times.p95(one, 300) == doctest::Approx(0.1).epsilon(1 / 64.0));
  add(times, one, 1000, 7000, 1);  // 6 of 101
  CHECK(*times.p95(one, 300) == doctest::Approx(7).epsilon(1 / 64.0));
  CHECK_FALSE(times.p95(two, 300));
  add(times, two, 1000, 20);  // one is enough
  CHECK(*times.p95(two, 60) == doctest::Approx(0.02).epsilon(1 / 64.0));
}

TEST_CASE("response times: a window holds the last N seconds and at most nine before") {
  for (Second now = 1'000'000; now < 1'000'010; ++now) {
    for (Second age = -60; age <= 320; ++age) {
      ResponseTimes times = times_at(now);
      add(times, one, now - age, 100);
      CAPTURE(now);
      CAPTURE(age);
      if (age < 300) {
        REQUIRE(times.p95(one, 300));
      } else if (age >= 309) {
        REQUIRE_FALSE(times.p95(one, 300));
      }
      REQUIRE(times.p95(one, 60).has_value() == (slice_of(now - age) * 10 + 9 > now - 60));
    }
  }
}

TEST_CASE("response times: the same as every duration kept and sorted, whatever comes when") {
  CAPTURE(seed());
  Random random{seed()};
  for (int round = 0; round < 20; ++round) {
    const std::vector<Second> lengths{random.between(1, 40), 60, 300};
    Second now = 1'000'000 + random.between(0, 9);
    ResponseTimes times = times_at(now, lengths);
    DumbTimes dumb{{}, now};
    for (int i = 0; i < 600; ++i) {
      if (random.one_in(4)) {
        now += random.one_in(20) ? random.between(100, 700) : random.between(1, 12);
        times.advance(now);
        dumb.now = now;
      } else {
        const Second when = now - random.between(-60, random.one_in(5) ? 400 : 20);
        const double milliseconds = some_duration_ms(random);
        const rules::DeploymentId& id = random.one_in(3) ? two : one;
        add(times, id, when, milliseconds);
        dumb.all.push_back({id, when, milliseconds});
      }
      for (const rules::DeploymentId& id : {one, two}) {
        for (const Second length : lengths) {
          const auto truth = dumb.p95(id, length);
          const auto told = times.p95(id, length);
          CAPTURE(round);
          CAPTURE(length);
          REQUIRE(told.has_value() == truth.has_value());
          if (truth) {
            REQUIRE(*told == duration_bin_seconds(duration_bin_of(*truth * 1000)));
          }
        }
      }
    }
    times.advance(now + 1000);
    CHECK(times.cells() == 0);
  }
}

TEST_CASE("response times: what does not fit is dropped and counted, and there is room again") {
  ResponseTimes times = times_at(1000);
  std::uint64_t number = 0;
  while (times.cells() < rules::limits::duration_cells_max) {
    add(times, numbered_id(++number), 1000, 100);
  }
  add(times, numbered_id(number + 1), 1000, 100, 3);
  add(times, numbered_id(number), 1000, 200, 2);
  CHECK(times.dropped() == 5);
  add(times, numbered_id(number), 1000, 100);  // a cell that is there
  CHECK(times.dropped() == 5);
  CHECK(times.cells() == rules::limits::duration_cells_max);
  times.advance(1400);
  add(times, one, 1400, 100);
  CHECK(times.cells() == 1);
  CHECK(times.dropped() == 5);
}

}  // namespace rollbackd::tests
