#include "engine/store/sql_script.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>

#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

std::size_t end_of_name(std::string_view script, std::size_t at) {
  while (at < script.size() && is_name_character(script[at])) {
    ++at;
  }
  return at;
}

std::size_t after(std::string_view script, std::string_view end, std::size_t from) {
  const std::size_t found = script.find(end, from);
  return found == std::string_view::npos ? script.size() : found + end.size();
}

// Comments of this kind nest.
std::size_t end_of_block_comment(std::string_view script, std::size_t at) {
  int depth = 0;
  do {
    const std::string_view two = script.substr(at, 2);
    depth += two == "/*" ? 1 : two == "*/" ? -1 : 0;
    at += two == "/*" || two == "*/" ? 2U : 1U;
  } while (depth > 0 && at < script.size());
  return std::min(at, script.size());
}

// `at`: behind the opening quote. Two quotes are one of the text, behind which backslashes escape
// as before.
std::size_t end_of_escape_string(std::string_view script, std::size_t at) {
  while (at < script.size() && (script[at] != '\'' || script.substr(at, 2) == "''")) {
    at += script[at] == '\\' || script[at] == '\'' ? 2U : 1U;
  }
  return std::min(at + 1, script.size());
}

// The end of what begins at `at` and in which a semicolon ends nothing; `at` itself if nothing
// does.
std::size_t end_of_quoted(std::string_view script, std::size_t at) {
  const char c = script[at];
  if (c == '\'' || c == '"') {
    return after(script, script.substr(at, 1), at + 1);
  }
  if ((c == 'e' || c == 'E') && script.substr(at + 1, 1) == "'") {
    return end_of_escape_string(script, at + 2);
  }
  if (script.substr(at, 2) == "--") {
    return after(script, "\n", at);
  }
  if (script.substr(at, 2) == "/*") {
    return end_of_block_comment(script, at);
  }
  if (c == '$') {
    const std::size_t tag_end = script.find('$', at + 1);
    // A number is a parameter's.
    if (tag_end < script.size() && end_of_name(script, at + 1) > tag_end &&
        std::isdigit(static_cast<unsigned char>(script[at + 1])) == 0) {
      const std::string_view tag = script.substr(at, tag_end + 1 - at);
      return after(script, tag, tag_end + 1);
    }
  }
  return at;
}

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

bool is_comment(std::string_view script, std::size_t at) {
  return script.substr(at, 2) == "--" || script.substr(at, 2) == "/*";
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && is_space(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

std::string lower_case(std::string_view text) {
  std::string lower{text};
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return lower;
}

// The body of a function in SQL, CREATE … BEGIN ATOMIC … END, has semicolons of its own.
class AtomicBody {
 public:
  void word(std::string_view text) {
    const std::string word = lower_case(text);
    if (depth_ == 0) {
      is_create_ = is_first_ ? word == "create" : is_create_;
      depth_ = is_create_ && word == "atomic" && before_ == "begin" ? 1 : 0;
    } else {
      depth_ += word == "case" ? 1 : word == "end" ? -1 : 0;
    }
    is_first_ = false;
    before_ = word;
  }
  // What is no word, blank or comment stands between two words.
  void other() {
    is_first_ = false;
    before_.clear();
  }
  [[nodiscard]] bool is_open() const { return depth_ > 0; }

 private:
  bool is_first_ = true;
  bool is_create_ = false;
  int depth_ = 0;
  std::string before_;
};

}  // namespace

std::string_view without_leading_comments(std::string_view statement) {
  statement = trimmed(statement);
  while (is_comment(statement, 0)) {
    statement.remove_prefix(end_of_quoted(statement, 0));
    statement = trimmed(statement);
  }
  return statement;
}

std::vector<std::string_view> split_statements(std::string_view script) {
  std::vector<std::string_view> statements;
  std::size_t begin = 0;
  const auto add_until = [&](std::size_t end) {
    const std::string_view statement = trimmed(script.substr(begin, end - begin));
    if (!without_leading_comments(statement).empty()) {
      statements.push_back(statement);
    }
  };
  AtomicBody body;
  for (std::size_t at = 0; at < script.size();) {
    if (const std::size_t end = end_of_quoted(script, at); end != at) {
      if (!is_comment(script, at)) {
        body.other();
      }
      at = end;
    } else if (is_name_character(script[at])) {
      const std::size_t name_end = end_of_name(script, at);
      body.word(script.substr(at, name_end - at));
      at = name_end;
    } else {
      if (script[at] == ';' && !body.is_open()) {
        add_until(at);
        begin = at + 1;
        body = {};
      } else if (!is_space(script[at])) {
        body.other();
      }
      ++at;
    }
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
  for (const std::string_view statement : split_statements(file.text)) {
    IndexStatement index{{}, {}, std::string{without_leading_comments(statement)}};
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
