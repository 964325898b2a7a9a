#pragma once

#include <string>
#include <vector>

#include <pqxx/pqxx>

#include "engine/store/schema.hpp"

namespace rollbackd::engine {

// What the daemon would miss if it ran as this role; nothing if there is no such role. Throws what
// libpqxx throws.
std::vector<SchemaFinding> missing_for(pqxx::connection& connection, const std::string& role);

}  // namespace rollbackd::engine
