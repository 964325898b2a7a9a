#pragma once

#include <filesystem>
#include <string>

#include "engine/database/conninfo.hpp"
#include "engine/settings.hpp"

// The commands of rollbackd that look and change nothing. They print for people or, with `json`,
// for programs, and give the exit code of DESIGN.md section 6.
namespace rollbackd::engine {

// Every mistake of the file, or the settings as they count.
int inspect_config(const std::filesystem::path& file, bool json);

// Whether everything that rollbackd needs is there and works: 1 if something does not. Does not
// return: checks that hang would hold its end up.
[[noreturn]] void inspect_surroundings(const std::filesystem::path& file, bool json);

// The whole story of a rollback, or of a deployment, from the database alone. Without a conninfo
// that of the file.
int inspect_event(const Settings& settings, const ConnectionInfo& database, const std::string& name,
                  bool json);

}  // namespace rollbackd::engine
