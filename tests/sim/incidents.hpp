#pragma once

#include <cstdint>
#include <string>

#include "tests/support/sim_bugs.hpp"

namespace rollbackd::tests {

enum class IncidentKind {
  any,
  calm,  // whatever breaks, no deployment goes bad and nobody asks: nothing may be rolled back
};

// What became of one simulated incident.
struct IncidentResult {
  std::string finding;      // the first thing that must not be, with its virtual time; empty: none
  std::uint64_t story = 0;  // equal if and only if the rules said the same things at the same times
  unsigned rollbacks = 0;   // that began, proposals included
  unsigned automatic = 0;   // of these, nobody asked for
  unsigned dispatched = 0;
  unsigned late = 0;    // runs that were given up, and what became of them was learnt
  unsigned faults = 0;  // crashes, lost writes, lost leadership, gaps of the feed
  unsigned steps = 0;   // inputs that the rules were given
};

// One deployment of an environment with one to four services goes bad, or does not: all of it
// chosen by the seed. Plays against rules::Decider alone, with no more of a world around it than
// the tables, and skips the time in which nothing is due; two daemons at the most. An oracle that
// counts and decides by itself looks on.
IncidentResult play_incident(std::uint64_t seed, IncidentKind kind = IncidentKind::any,
                             SimBug bug = SimBug::none);

}  // namespace rollbackd::tests
