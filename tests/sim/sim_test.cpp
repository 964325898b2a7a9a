#include <chrono>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "tests/sim/simulation.hpp"
#include "tests/support/random.hpp"

namespace rollbackd::tests {
namespace {

constexpr std::uint64_t seeds_by_default = 30;
// A planted bug has to be noticed within so many stories.
constexpr std::uint64_t stories_for_a_bug = 60;

std::string all_of(const SimResult& result) {
  std::string text;
  for (const std::string& finding : result.findings) {
    text += "\n  " + finding;
  }
  return text;
}

}  // namespace

// SEEDS=10000 ctest -L sim -V looks further; SEED=… repeats what it found.
TEST_CASE("sim: whatever happens, what always holds does hold") {
  const std::uint64_t first = seed();
  const std::uint64_t count = number_from_environment("SEEDS", seeds_by_default);
  const auto started = std::chrono::steady_clock::now();
  SimResult sum;
  std::uint64_t failed = 0;
  for (std::uint64_t s = first; s < first + count; ++s) {
    const SimResult result = simulate(s);
    sum.rollbacks += result.rollbacks;
    sum.dispatched += result.dispatched;
    sum.deployments += result.deployments;
    sum.events += result.events;
    if (!result.findings.empty()) {
      FAIL_CHECK("SEED=" << s << " SEEDS=1:" << all_of(result));
      if (++failed == 5) {
        break;
      }
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  MESSAGE(count << " stories of " << simulated_hours << " h: " << sum.deployments
                << " deployments, " << sum.events << " events, " << sum.rollbacks << " incidents, "
                << sum.dispatched << " dispatched, "
                << static_cast<double>(sum.rollbacks) / took.count() << " incidents/s");
  CHECK(sum.dispatched > count / 2);  // a story in which nothing happens proves nothing
}

TEST_CASE("sim: the same seed tells the same story, another seed another") {
  const std::uint64_t first = seed();
  std::set<std::uint64_t> stories;
  for (std::uint64_t s = first; s < first + 4; ++s) {
    INFO("SEED=" << s);
    const std::uint64_t story = simulate(s).story;
    CHECK(simulate(s).story == story);
    CHECK(stories.insert(story).second);
  }
}

TEST_CASE("sim: each planted bug is noticed") {
  for (const SimBug bug : all_bugs) {
    CAPTURE(name_of(bug));
    std::string noticed;
    for (std::uint64_t s = 1; s <= stories_for_a_bug && noticed.empty(); ++s) {
      const SimResult result = simulate(s, bug);
      if (!result.findings.empty()) {
        noticed = "in story " + std::to_string(s) + ": " + result.findings.front();
      }
    }
    CHECK_MESSAGE(!noticed.empty(), std::string{name_of(bug)} << " was not noticed");
    MESSAGE(name_of(bug) << " is noticed " << noticed);
  }
}

TEST_CASE("sim: a story that is told differently each time is noticed") {
  CHECK(simulate(1, SimBug::tells_time_differently).story !=
        simulate(1, SimBug::tells_time_differently).story);
}

}  // namespace rollbackd::tests
