#pragma once

#include <string>

#include <pqxx/pqxx>

#include "engine/database/connection.hpp"

namespace rollbackd::engine {

// What has to be the same for a snapshot taken earlier to mean anything still: the system
// identifier, the timeline, and since when the server's memory lives, as
// "identifier/timeline/since". Only to be compared. Another cluster's transaction ids are others;
// after a promotion, or a crash that lost what was not flushed, ids that were seen are given out
// again. Throws libpqxx's exceptions.
std::string server_identity(pqxx::connection& connection);
std::string server_identity(pqxx::transaction_base& work);

// Behind a pooler our connection outlives the server's: throws pqxx::broken_connection when `work`
// is on another server than the one with this identity. Asks nothing where the connection is our
// own.
void expect_server(const Connection& connection, pqxx::transaction_base& work,
                   const std::string& identity);

}  // namespace rollbackd::engine
