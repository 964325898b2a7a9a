#pragma once

#include <span>

#include "engine/embedded_file.hpp"

namespace rollbackd::engine {

// One file of sql/triggers/.
using EmbeddedSql = EmbeddedFile;

// Every sql/triggers/*.sql, in order of name, which is the order of installation. Any thread may
// call it. Which of them install and which uninstall is told by their names.
std::span<const EmbeddedFile> embedded_sql();

}  // namespace rollbackd::engine
