#pragma once

#include <memory>
#include <optional>
#include <string>

#include "rules/time.hpp"

struct pg_conn;

namespace rollbackd::engine {

struct CloseRaw {
  void operator()(pg_conn* connection) const;
};
// A connection of libpq itself, for what libpqxx cannot be asked.
using RawConnection = std::unique_ptr<pg_conn, CloseRaw>;

// Runs SQL over a blocking libpq connection and gives the first field of the last statement's
// result, empty where there is none. Nothing: it failed, or was not answered within `limit` (libpq
// itself would wait for ever); the connection is of no use then. Any thread.
std::optional<std::string> ask_within(pg_conn* connection, const std::string& sql,
                                      rules::Duration limit);

}  // namespace rollbackd::engine
