#include "engine/store/sql_script.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>

#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

bool is_tag_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// The end of what begins at `at` and in which a semicolon ends nothing; `at` itself if nothing
// does.
std::size_t end_of_quoted(std::string_view script, std::size_t at) {
  const auto after = [&](std::string_view end, std::size_t from) {
    const std::size_t found = script.find(end, from);
    return found == std::string_view::npos ? script.size() : found + end.size();
  };
  const char c = script[at];
  if (c == '\'' || c == '"') {
    return after(std::string_view{&c, 1}, at + 1);
  }
  if (script.substr(at, 2) == "--") {
    return after("\n", at);
  }
  if (c == '$') {
    std::size_t tag_end = at + 1;
    while (tag_end < script.size() && is_tag_character(script[tag_end])) {
      ++tag_end;
    }
    if (tag_end < script.size() && script[tag_end] == '$') {
      const std::string_view tag = script.substr(at, tag_end + 1 - at);
      return after(tag, tag_end + 1);
    }
  }
  return at;
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && is_space(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

bool is_only_comments(std::string_view text) {
  while (text.substr(0, 2) == "--") {
    const std::size_t end = text.find('\n');
    text = end == std::string_view::npos ? std::string_view{} : trimmed(text.substr(end));
  }
  return text.empty();
}

}  // namespace

std::vector<std::string_view> split_statements(std::string_view script) {
  std::vector<std::string_view> statements;
  std::size_t begin = 0;
  const auto add_until = [&](std::size_t end) {
    const std::string_view statement = trimmed(script.substr(begin, end - begin));
    if (!is_only_comments(statement)) {
      statements.push_back(statement);
    }
  };
  for (std::size_t at = 0; at < script.size();) {
    if (const std::size_t end = end_of_quoted(script, at); end != at) {
      at = end;
      continue;
    }
    if (script[at] == ';') {
      add_until(at);
      begin = at + 1;
    }
    ++at;
  }
  add_until(script.size());
  return statements;
}

int number_of(const EmbeddedSql& file) {
  int number = 0;
  std::from_chars(file.name.data(), file.name.data() + file.name.size(), number);
  return number;
}

std::string title_of(const EmbeddedSql& file) {
  std::string_view name = file.name.substr(0, file.name.find('.'));
  if (number_of(file) != 0) {
    name.remove_prefix(std::min(name.size(), name.find('_') + 1));
  }
  std::string title{name};
  std::replace(title.begin(), title.end(), '_', ' ');
  return title;
}

bool is_concurrent(const EmbeddedSql& file) {
  return file.name.find("_concurrently.") != std::string_view::npos;
}

const EmbeddedSql& sql_file(std::string_view name) {
  const auto files = embedded_sql();
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.name == name; });
  INVARIANT(found != files.end());
  return *found;
}

std::vector<IndexStatement> index_statements(const EmbeddedSql& file) {
  std::vector<IndexStatement> indexes;
  for (std::string_view statement : split_statements(file.text)) {
    while (statement.substr(0, 2) == "--") {
      statement = trimmed(statement.substr(statement.find('\n')));
    }
    IndexStatement index{{}, {}, std::string{statement}};
    std::istringstream words{index.statement};
    for (std::string word; words >> word && word != "exists";) {
    }
    std::string on;
    words >> index.name >> on >> index.table;
    INVARIANT(on == "on" && index.table.rfind("ops.", 0) == 0);
    indexes.push_back(std::move(index));
  }
  return indexes;
}

}  // namespace rollbackd::engine
