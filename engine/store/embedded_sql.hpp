#pragma once

#include <span>
#include <string_view>

namespace rollbackd::engine {

// One file of sql/triggers/, as it was when the program was built.
struct EmbeddedSql {
  std::string_view name;  // without its folder: "010_tables.sql"
  std::string_view text;  // byte for byte
};

// Every sql/triggers/*.sql, in order of name, which is the order of installation. Lives as long as
// the program; any thread may call it. Which of them install and which uninstall is told by their
// names.
std::span<const EmbeddedSql> embedded_sql();

}  // namespace rollbackd::engine
