#include "rules/window.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "rules/limits.hpp"
#include "tests/support/random.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::Second;
using rules::Windows;

const rules::DeploymentId one = numbered_id(1);
const rules::DeploymentId two = numbered_id(2);

// The dumb form: every event is kept, and a count looks at all of them. A second of a deployment
// holds at most 2^32 - 1.
struct DumbWindows {
  struct Event {
    rules::DeploymentId deployment;
    Second at;
    std::uint64_t n;
  };
  std::vector<Event> events;
  Second now = 0;

  [[nodiscard]] std::uint64_t count(const rules::DeploymentId& id, Second length) const {
    std::map<Second, std::uint64_t> seconds;
    for (const Event& e : events) {
      if (e.deployment == id && e.at > now - length && e.at <= now + 60) {
        std::uint64_t& counted = seconds[e.at];
        counted = std::min<std::uint64_t>(counted + e.n, 0xffff'ffff);
      }
    }
    std::uint64_t sum = 0;
    for (const auto& [second, counted] : seconds) {
      sum += counted;
    }
    return sum;
  }
  void forget(const rules::DeploymentId& id) {
    std::erase_if(events, [&](const Event& e) { return e.deployment == id; });
  }
};

Windows windows_at(Second now, std::vector<Second> lengths = {1, 60, 300}) {
  Windows windows{std::move(lengths)};
  windows.advance(now);
  return windows;
}

}  // namespace

TEST_CASE("window: at second t the N-second window holds the seconds in (t - N, t + 60]") {
  for (const Second length : {Second{1}, Second{60}, Second{300}}) {
    for (Second offset = -length - 2; offset <= 63; ++offset) {
      Windows windows = windows_at(1000);
      windows.add(one, 1000 + offset, 3);
      const std::uint64_t expected = offset > -length && offset <= 60 ? 3 : 0;
      CAPTURE(length);
      CAPTURE(offset);
      REQUIRE(windows.count(one, length) == expected);
    }
  }
}

TEST_CASE("window: an event enters and leaves every length at its second as time passes") {
  Windows windows = windows_at(1000);
  windows.add(one, 1005, 1);
  for (Second now = 1000; now <= 1310; ++now) {
    windows.advance(now);
    CAPTURE(now);
    REQUIRE(windows.count(one, 1) == (now < 1006 ? 1 : 0));
    REQUIRE(windows.count(one, 60) == (now < 1065 ? 1 : 0));
    REQUIRE(windows.count(one, 300) == (now < 1305 ? 1 : 0));
  }
  CHECK(windows.deployments() == 0);  // nothing is kept of what has left the longest window
}

TEST_CASE("window: an event more than a minute ahead waits for its time and then counts") {
  Windows windows = windows_at(1000);
  windows.add(one, 1061, 2);
  CHECK(windows.waiting() == 2);
  CHECK(windows.count(one, 300) == 0);
  windows.advance(1001);
  CHECK(windows.waiting() == 0);
  CHECK(windows.count(one, 1) == 2);
}

TEST_CASE("window: an event of a year ahead waits, and a jump over its time forgets it") {
  Windows windows = windows_at(1000);
  const Second year = 365 * 86'400;
  windows.add(one, 1000 + year, 1);
  windows.advance(1000 + year - 61);
  CHECK(windows.waiting() == 1);
  windows.advance(1000 + year - 60);
  CHECK(windows.count(one, 1) == 1);
  windows.add(two, 1000 + 2 * year, 1);
  windows.advance(1000 + 3 * year);
  CHECK(windows.count(two, 300) == 0);
  CHECK(windows.waiting() == 0);
  CHECK(windows.deployments() == 0);
}

TEST_CASE("window: a jump in time lands on the same counts as one second after the other") {
  for (const Second jump : {Second{1}, Second{59}, Second{299}, Second{359}, Second{360},
                            Second{361}, Second{362}, Second{100'000}}) {
    Windows windows = windows_at(1000);
    DumbWindows dumb;
    for (Second at = 690; at <= 1500; at += 7) {
      windows.add(one, at, 1);
      dumb.events.push_back({one, at, 1});
    }
    windows.advance(1000 + jump);
    dumb.now = 1000 + jump;
    CAPTURE(jump);
    for (const Second length : {Second{1}, Second{60}, Second{300}}) {
      CHECK(windows.count(one, length) == dumb.count(one, length));
    }
  }
}

TEST_CASE("window: time never goes back") {
  Windows windows = windows_at(1000);
  windows.add(one, 1000, 1);
  windows.advance(10);
  CHECK(windows.now() == 1000);
  CHECK(windows.count(one, 1) == 1);
}

TEST_CASE("window: absurd timestamps cost nothing and count nowhere") {
  Windows windows = windows_at(noon_second);
  windows.add(one, -62'135'596'800, 1);  // the year 1
  windows.add(one, 0, 1);
  windows.add(one, 9'224'318'015'999, 1);  // the year 294276, PostgreSQL's last
  windows.add(one, noon_second, 0);        // no event at all
  CHECK(windows.count(one, 300) == 0);
  CHECK(windows.deployments() == 0);
  CHECK(windows.waiting() == 1);
}

TEST_CASE("window: seconds before 1970 are seconds, too") {
  Windows windows = windows_at(-500);
  // Windows begin at 1970; what lies before is never moved to.
  CHECK(windows.now() == 0);
  windows.add(one, -10, 1);
  CHECK(windows.count(one, 60) == 1);
  CHECK(windows.count(one, 1) == 0);
}

TEST_CASE("window: forgetting a deployment leaves the others alone, in the calendar as well") {
  Windows windows = windows_at(1000);
  windows.add(one, 1000, 1);
  windows.add(two, 1000, 1);
  windows.add(one, 2000, 4);
  windows.add(two, 2000, 5);
  windows.forget(one);
  CHECK(windows.waiting() == 5);
  CHECK(windows.count(one, 60) == 0);
  CHECK(windows.count(two, 60) == 1);
  windows.advance(1950);
  CHECK(windows.count(one, 60) == 0);
  CHECK(windows.count(two, 60) == 5);
}

TEST_CASE("window: the calendar is bounded, says what it dropped, and has room again afterwards") {
  Windows windows = windows_at(1000);
  const auto room = static_cast<Second>(rules::limits::calendar_entries_max);
  for (Second i = 0; i < room; ++i) {
    windows.add(one, 10'000 + i, 1);
  }
  CHECK(windows.dropped() == 0);
  windows.add(two, 10'000, 7);         // a second that is there, a deployment that is not
  windows.add(one, 10'000 + room, 2);  // a second that is not there
  windows.add(one, 10'000, 3);         // an entry that is there: it takes no room
  CHECK(windows.dropped() == 9);
  CHECK(windows.waiting() == static_cast<std::uint64_t>(room) + 3);
  windows.advance(10'000 - 60);
  CHECK(windows.count(one, 1) == 4);
  windows.add(two, 20'000, 1);
  CHECK(windows.dropped() == 9);
  windows.forget(one);
  CHECK(windows.waiting() == 1);
  windows.restart(windows.now());
  CHECK(windows.waiting() == 0);
}

TEST_CASE("window: more events of one second than a slot holds are 2^32 - 1, and leave as many") {
  Windows windows = windows_at(1000);
  windows.add(one, 1000, 3'000'000'000);
  windows.add(one, 1000, 3'000'000'000);
  windows.add(one, 1001, 5);
  windows.add(two, 1000, ~std::uint64_t{0});
  CHECK(windows.count(one, 60) == 0xffff'ffffU + 5ULL);
  CHECK(windows.count(two, 300) == 0xffff'ffffU);
  windows.advance(1060);
  CHECK(windows.count(one, 60) == 5);
  CHECK(windows.count(one, 300) == 0xffff'ffffU + 5ULL);
  windows.advance(1301);
  CHECK(windows.count(one, 300) == 0);
  CHECK(windows.deployments() == 0);
}

TEST_CASE("window: who comes after a forgotten deployment takes over nothing of it") {
  Windows windows = windows_at(1000);
  for (Second at = 990; at <= 1000; ++at) {
    windows.add(one, at, 1);
  }
  windows.forget(one);
  windows.add(two, 995, 7);
  windows.add(two, 1003, 2);
  CHECK(windows.deployments() == 1);
  windows.advance(1055);
  CHECK(windows.count(two, 60) == 2);
  CHECK(windows.count(two, 300) == 9);
  windows.advance(1295);
  CHECK(windows.count(two, 300) == 2);
  windows.advance(1303);
  CHECK(windows.deployments() == 0);
}

// One random history, looked at after every step.
void compare(std::uint64_t first_seed, int steps, std::int64_t deployments, bool is_absurd) {
  INFO("SEED=" << first_seed);
  Random random{first_seed};
  const std::vector<Second> lengths{random.between(1, 60), 60, 300, random.between(61, 900)};
  Windows windows{lengths};
  DumbWindows dumb;
  dumb.now = random.between(0, 2'000'000);
  windows.advance(dumb.now);
  for (int step = 0; step < steps; ++step) {
    const auto id = numbered_id(static_cast<std::uint64_t>(random.between(1, deployments)));
    switch (random.between(0, 9)) {
      case 0:
      case 1:
        dumb.now += random.one_in(20) ? random.between(100, 5000) : random.between(0, 3);
        windows.advance(dumb.now);
        break;
      case 2:
        if (random.one_in(30)) {
          windows.forget(id);
          dumb.forget(id);
        } else if (random.one_in(100)) {
          windows.restart(windows.now());
          dumb.events.clear();
        }
        break;
      default: {
        const Second reach = random.one_in(5) ? 4000 : 400;
        const Second at = dumb.now + random.between(-reach, reach / 2);
        const auto n = static_cast<std::uint64_t>(is_absurd && random.one_in(3)
                                                      ? random.between(1, 6'000'000'000)
                                                      : random.between(1, 3));
        windows.add(id, at, n);
        // What has left the longest window when it comes counts nowhere, and never will.
        dumb.events.push_back({id, at, n});
      }
    }
    const Second length = random.pick(lengths);
    REQUIRE(windows.count(id, length) == dumb.count(id, length));
  }
  dumb.now += 5000;
  windows.advance(dumb.now);
  CHECK(windows.deployments() == 0);
}

TEST_CASE("window: any history counts like a look at every event") {
  const std::uint64_t first = seed();
  for (std::uint64_t s = first; s < first + 60; ++s) {
    compare(s, 1500, 4, s % 4 == 0);
  }
}

TEST_CASE("window: any history of more deployments than a word has bits, too") {
  const std::uint64_t first = seed();
  for (std::uint64_t s = first; s < first + 6; ++s) {
    compare(s, 3000, 200, s % 2 == 0);
  }
}

TEST_CASE("window: memory grows with deployments, never with events") {
  Windows windows = windows_at(1000);
  for (int i = 0; i < 200'000; ++i) {
    windows.add(one, 1000 - i % 200, 1);
  }
  CHECK(windows.deployments() == 1);
  CHECK(windows.count(one, 300) == 200'000);
}

}  // namespace rollbackd::tests
