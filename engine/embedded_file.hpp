#pragma once

#include <string_view>

namespace rollbackd::engine {

// A file of the repository, as it was when the program was built (sql/embed.cmake). Lives as long
// as the program.
struct EmbeddedFile {
  std::string_view name;  // without its folder: "010_tables.sql"
  std::string_view text;  // byte for byte
};

}  // namespace rollbackd::engine
