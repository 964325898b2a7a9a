#pragma once

#include <optional>
#include <string>

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

// Finds out over two connections of its own: what NOTIFY on one says must be heard on the other
// within a second. Nothing: it could not be tried. Blocks; any thread.
std::optional<Pooling> pooling_at(const std::string& conninfo);

}  // namespace rollbackd::engine
