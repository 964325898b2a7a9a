#pragma once

#include <array>
#include <string_view>

namespace rollbackd::tests {

// Mistakes that can be planted into the world around the loop, one at a time, to see whether they
// are noticed. A check that notices none of them checks nothing.
enum class SimBug {
  none,
  journal_lies,               // a transaction is confirmed and was never written
  acts_before_commit,         // what waits for a commit is started when the commit is handed over
  dispatches_again,           // a new daemon deploys once more what its journal says was claimed
  dispatches_twice,           // each deploy is started two times
  loses_an_event,             // the feed forgets some
  counts_an_event_twice,      // the feed tells some twice
  hides_a_gap,                // the loop is not told that the feed has one
  restores_nothing,           // a row that was marked is not put back
  forgets_active,             // the journal's answer leaves out what is under way
  forgets_the_latch,          // the journal's answer leaves out what failed
  hides_replacements,         // replacements look like anybody's deployments
  loses_the_deploys_end,      // the executor never says how it ended
  dispatches_to_follow,       // what is only to be followed is dispatched once more
  control_from_memory,        // what can forbid to act is not read anew before a claim
  forgets_the_follower,       // the journal's answer leaves out the runs that are still followed
  calls_the_unknown_refused,  // a dispatch that may have happened is told as one that did not
  acts_without_leadership,    // the loop is not told that another daemon may lead
  gate_forgets_the_pause,     // right before a dispatch the pause is not looked at
  gate_forgets_the_epoch,     // nor whether another daemon leads by now
  tells_time_differently,     // each run of the same story takes its own time
};

inline constexpr std::array all_bugs{SimBug::journal_lies,
                                     SimBug::acts_before_commit,
                                     SimBug::dispatches_again,
                                     SimBug::dispatches_twice,
                                     SimBug::loses_an_event,
                                     SimBug::counts_an_event_twice,
                                     SimBug::hides_a_gap,
                                     SimBug::restores_nothing,
                                     SimBug::forgets_active,
                                     SimBug::forgets_the_latch,
                                     SimBug::hides_replacements,
                                     SimBug::loses_the_deploys_end,
                                     SimBug::dispatches_to_follow,
                                     SimBug::control_from_memory,
                                     SimBug::forgets_the_follower,
                                     SimBug::calls_the_unknown_refused,
                                     SimBug::acts_without_leadership};

// Those that can be planted into the world of one incident, which has no loop.
inline constexpr std::array incident_bugs{SimBug::journal_lies,
                                          SimBug::acts_before_commit,
                                          SimBug::dispatches_twice,
                                          SimBug::loses_an_event,
                                          SimBug::counts_an_event_twice,
                                          SimBug::restores_nothing,
                                          SimBug::forgets_active,
                                          SimBug::forgets_the_latch,
                                          SimBug::loses_the_deploys_end,
                                          SimBug::dispatches_to_follow,
                                          SimBug::control_from_memory,
                                          SimBug::forgets_the_follower,
                                          SimBug::calls_the_unknown_refused,
                                          SimBug::gate_forgets_the_pause,
                                          SimBug::gate_forgets_the_epoch};

constexpr std::string_view name_of(SimBug bug) {
  switch (bug) {
    case SimBug::none:
      return "none";
    case SimBug::journal_lies:
      return "journal_lies";
    case SimBug::acts_before_commit:
      return "acts_before_commit";
    case SimBug::dispatches_again:
      return "dispatches_again";
    case SimBug::dispatches_twice:
      return "dispatches_twice";
    case SimBug::loses_an_event:
      return "loses_an_event";
    case SimBug::counts_an_event_twice:
      return "counts_an_event_twice";
    case SimBug::hides_a_gap:
      return "hides_a_gap";
    case SimBug::restores_nothing:
      return "restores_nothing";
    case SimBug::forgets_active:
      return "forgets_active";
    case SimBug::forgets_the_latch:
      return "forgets_the_latch";
    case SimBug::hides_replacements:
      return "hides_replacements";
    case SimBug::loses_the_deploys_end:
      return "loses_the_deploys_end";
    case SimBug::dispatches_to_follow:
      return "dispatches_to_follow";
    case SimBug::control_from_memory:
      return "control_from_memory";
    case SimBug::forgets_the_follower:
      return "forgets_the_follower";
    case SimBug::calls_the_unknown_refused:
      return "calls_the_unknown_refused";
    case SimBug::acts_without_leadership:
      return "acts_without_leadership";
    case SimBug::gate_forgets_the_pause:
      return "gate_forgets_the_pause";
    case SimBug::gate_forgets_the_epoch:
      return "gate_forgets_the_epoch";
    case SimBug::tells_time_differently:
      return "tells_time_differently";
  }
  return "unknown";
}

}  // namespace rollbackd::tests
