#pragma once

#include <string>

namespace rollbackd::engine {

// What the statements of the feed and of response times have in common.

// A moment as text, in microseconds since 1970; one that 64 bits do not hold is cut to where it is
// as good as never. Null stays null.
std::string microseconds(const std::string& moment);

// A CTE `s`: the snapshot of the statement as `snap`, and the moment as `at`. Begins the statement.
extern const char* const with_snapshot_now;

// The two halves of a difference, conditions on the row `x`: transactions that began after snapshot
// $1, and those that were running in it. Two index scans joined by UNION ALL, never one OR (six
// times slower). They need `s`.
extern const char* const is_later;
extern const char* const was_running;

// An array of the moments after `horizon` at which deployments began or ended, ascending.
// Not evaluated while there are no rows.
std::string boundaries_since(const std::string& horizon);

}  // namespace rollbackd::engine
