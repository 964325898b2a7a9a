#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/store/embedded_sql.hpp"

namespace rollbackd::engine {

// The statements of a script, each with the comments before it and without its semicolon, as the
// server would tell them apart where standard_conforming_strings is on. No psql commands.
std::vector<std::string_view> split_statements(std::string_view script);

// A statement without the comments and the space before it.
std::string_view without_leading_comments(std::string_view statement);

// A file that installs has a number, by which the version table knows it; others are 0.
int number_of(const EmbeddedSql& file);

// "110_triggers.sql" → "triggers", for people.
std::string title_of(const EmbeddedSql& file);

// Its statements cannot run in a transaction.
bool is_concurrent(const EmbeddedSql& file);

// The file of this exact name. REQUIRES: it exists.
const EmbeddedSql& sql_file(std::string_view name);

// One `create [unique] index concurrently if not exists <name> on <table> …`.
struct IndexStatement {
  std::string name;       // without its schema, ops
  std::string table;      // with it
  std::string statement;  // whole
};

// REQUIRES: the file consists of such statements.
std::vector<IndexStatement> index_statements(const EmbeddedSql& file);

}  // namespace rollbackd::engine
