#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/sim_bugs.hpp"

namespace rollbackd::tests {

// What became of one simulated story.
struct SimResult {
  std::vector<std::string> findings;  // what must not be, with its virtual time; empty: all is well
  std::uint64_t story = 0;            // equal if and only if the same things happened
  std::size_t rollbacks = 0;          // all rows of ops.rollback_events
  std::size_t dispatched = 0;
  std::size_t deployments = 0;
  std::size_t events = 0;
};

// Two hours in the life of some services and of the real loop, all of it chosen by the seed: good
// and bad deployments, bursts, late and early events, executors that fail, feeds that break,
// daemons that die, transactions that get lost, people who ask. One story in ten has no errors at
// all.
SimResult simulate(std::uint64_t seed, SimBug bug = SimBug::none);

inline constexpr double simulated_hours = 2.75;

}  // namespace rollbackd::tests
