#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace rollbackd::engine {

// The places at which the campaign of tests/torture/rollback makes things go wrong. Those of the
// journal are "before_commit_" and "after_commit_" with what is committed (store/commit_kind.hpp).
inline constexpr std::array fail_points = {
    std::string_view{"before_commit_decision"},
    std::string_view{"after_commit_decision"},
    std::string_view{"before_commit_steps"},
    std::string_view{"after_commit_steps"},
    std::string_view{"before_commit_prepared"},
    std::string_view{"after_commit_prepared"},
    std::string_view{"before_commit_claim"},
    std::string_view{"after_commit_claim"},
    std::string_view{"before_commit_unclaim"},
    std::string_view{"after_commit_unclaim"},
    std::string_view{"before_commit_started"},
    std::string_view{"after_commit_started"},
    std::string_view{"before_commit_in_service"},
    std::string_view{"after_commit_in_service"},
    std::string_view{"before_commit_end"},
    std::string_view{"after_commit_end"},
    std::string_view{"before_commit_late"},
    std::string_view{"after_commit_late"},
    std::string_view{"before_commit_other"},
    std::string_view{"after_commit_other"},
    std::string_view{"before_commit_migration"},
    std::string_view{"after_commit_migration"},
    std::string_view{"journal_read"},      // and nobody has been told
    std::string_view{"before_gate"},       // the claim is committed
    std::string_view{"after_gate"},        // nothing forbids the dispatch
    std::string_view{"request_leaves"},    // connected, and no byte of it has left
    std::string_view{"request_answered"},  // the dispatch, and nobody has been told
    std::string_view{"look_up"},           // of a run by its marker
    std::string_view{"poll"},              // of a run
    std::string_view{"cancel"},            // of a run
    std::string_view{"follow_late"},       // of a run that was given up
    std::string_view{"command_starts"},
    std::string_view{"command_started"},
    std::string_view{"leadership_taken"},
    std::string_view{"leadership_lost"},
};

constexpr bool is_fail_point(std::string_view name) {
  return std::find(fail_points.begin(), fail_points.end(), name) != fail_points.end();
}

// Does nothing in the programs that people run. In rollbackd_torture it may end or stop the
// process, or take its database away. True: the caller shall act as if what it did just now had
// happened and the answer were lost; only places that can do so look at it. Any thread.
bool fail_point(std::string_view name);

}  // namespace rollbackd::engine
