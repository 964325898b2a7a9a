#pragma once

#include <optional>
#include <string>

#include "rules/time.hpp"

namespace rollbackd::engine {

enum class Pooling {
  none,         // a server's session of our own
  session,      // a pooler that gives us one for as long as we are connected: LISTEN works
  transaction,  // one that does not, or whatever else swallows NOTIFY
};

// Why the doorbell cannot work behind a transaction pooler, in words for people.
inline constexpr const char* pooler_swallows_bell =
    "a connection pooler in transaction mode is in between: LISTEN is accepted and nothing is "
    "delivered";

// How long a bell rung from a second connection takes to be heard on the first; nothing: it was not
// heard within a second, or it could not be tried. Blocks; any thread.
std::optional<rules::Duration> bell_round_trip(const std::string& conninfo);

// Finds out over two connections of its own: what NOTIFY on one says must be heard on the other
// within a second. Nothing: it could not be tried. Blocks; any thread.
std::optional<Pooling> pooling_at(const std::string& conninfo);

}  // namespace rollbackd::engine
