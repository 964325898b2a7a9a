#pragma once

#include <string>

#include <pqxx/pqxx>

namespace rollbackd::engine {

// What has to be the same for a snapshot taken earlier to mean anything still: the system
// identifier, the timeline, and since when the server's memory lives, as
// "identifier/timeline/since". Only to be compared. Another cluster's transaction ids are others;
// after a promotion, or a crash that lost what was not flushed, ids that were seen are given out
// again. Throws libpqxx's exceptions.
std::string server_identity(pqxx::connection& connection);

}  // namespace rollbackd::engine
