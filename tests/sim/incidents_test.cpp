#include "tests/sim/incidents.hpp"

#include <ctime>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/random.hpp"

namespace rollbackd::tests {
namespace {

constexpr std::uint64_t incidents_by_default = 20'000;
constexpr std::uint64_t calm_by_default = 10'000;
// A planted bug has to be noticed within so many incidents.
constexpr std::uint64_t incidents_for_a_bug = 5'000;

struct Played {
  std::uint64_t incidents = 0;
  std::uint64_t rollbacks = 0;
  std::uint64_t automatic = 0;
  std::uint64_t dispatched = 0;
  std::uint64_t late = 0;
  std::uint64_t faults = 0;
  std::uint64_t steps = 0;
  double seconds = 0;  // of the processor
};

Played play(std::uint64_t first, std::uint64_t count, IncidentKind kind) {
  Played sum;
  int failed = 0;
  const std::clock_t started = std::clock();
  for (std::uint64_t s = first; s < first + count && failed < 5; ++s) {
    const IncidentResult result = play_incident(s, kind);
    ++sum.incidents;
    sum.rollbacks += result.rollbacks;
    sum.automatic += result.automatic;
    sum.dispatched += result.dispatched;
    sum.late += result.late;
    sum.faults += result.faults;
    sum.steps += result.steps;
    if (!result.finding.empty()) {
      FAIL_CHECK("SEED=" << s << " INCIDENTS=1: " << result.finding);
      ++failed;
    }
  }
  sum.seconds = static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
  return sum;
}

void tell(const std::string& what, const Played& sum) {
  MESSAGE(sum.incidents << " " << what << " in " << sum.seconds << " s of one core, "
                        << static_cast<double>(sum.incidents) / sum.seconds
                        << " a second: " << sum.rollbacks << " rollbacks, " << sum.automatic
                        << " automatic, " << sum.dispatched << " dispatches, " << sum.late
                        << " late runs, " << sum.faults << " faults, " << sum.steps << " inputs");
}

}  // namespace

// INCIDENTS=1000000 looks further; SEED=… INCIDENTS=1 repeats what it found.
TEST_CASE("incidents: whatever happens, what always holds does hold") {
  const Played sum =
      play(seed(), number_from_environment("INCIDENTS", incidents_by_default), IncidentKind::any);
  tell("incidents", sum);
  CHECK(2 * sum.dispatched > sum.incidents);  // one in which nothing happens proves nothing
}

TEST_CASE("incidents: nothing is rolled back without a bad deployment, whatever breaks") {
  const Played sum =
      play(seed(), number_from_environment("CALM", calm_by_default), IncidentKind::calm);
  tell("calm incidents", sum);
  CHECK(sum.rollbacks == 0);
  CHECK(sum.faults > sum.incidents / 2);
}

TEST_CASE("incidents: the same seed tells the same story, another seed another") {
  for (std::uint64_t s = seed(); s < seed() + 200; ++s) {
    INFO("SEED=" << s);
    CHECK(play_incident(s).story == play_incident(s).story);
    CHECK(play_incident(s).story != play_incident(s + 1).story);
  }
}

TEST_CASE("incidents: each planted bug is noticed") {
  for (const SimBug bug : incident_bugs) {
    CAPTURE(name_of(bug));
    std::string noticed;
    for (std::uint64_t s = 1; s <= incidents_for_a_bug && noticed.empty(); ++s) {
      const IncidentResult result = play_incident(s, IncidentKind::any, bug);
      if (!result.finding.empty()) {
        noticed = "in incident " + std::to_string(s) + ": " + result.finding;
      }
    }
    CHECK_MESSAGE(!noticed.empty(), std::string{name_of(bug)} << " was not noticed");
    MESSAGE(name_of(bug) << " is noticed " << noticed);
  }
}

}  // namespace rollbackd::tests
