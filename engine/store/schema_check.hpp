#pragma once

#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace rollbackd::engine {

// What the daemon would miss if it ran as this role; nothing if there is no such role. Throws what
// libpqxx throws.
std::vector<std::string> missing_for(pqxx::connection& connection, const std::string& role);

}  // namespace rollbackd::engine
