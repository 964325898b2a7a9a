#include "engine/store/migration_script.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "engine/store/sql_script.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::array<std::string_view, 7> transaction_words{
    "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE TRANSACTION"};

// The first words of a statement, in upper case and with one space in between.
std::string first_words(std::string_view statement, int most) {
  std::string words;
  for (int n = 0; n < most; ++n) {
    statement = without_leading_comments(statement);
    const auto end = std::find_if_not(statement.begin(), statement.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
    });
    std::string word{statement.begin(), end};
    std::transform(word.begin(), word.end(), word.begin(), [](char c) {
      return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    });
    if (word.empty()) {
      break;
    }
    statement.remove_prefix(word.size());
    words += (words.empty() ? "" : " ") + word;
  }
  return words;
}

// ROLLBACK TO a savepoint ends no transaction.
bool is_to_savepoint(std::string_view statement) {
  const std::string words = first_words(statement, 3) + " ";
  return words.starts_with("ROLLBACK TO ") || words.starts_with("ROLLBACK WORK TO ") ||
         words.starts_with("ROLLBACK TRANSACTION TO ");
}

}  // namespace

Result<std::vector<std::string>> migration_statements(std::string_view script) {
  std::vector<std::string> statements;
  for (const std::string_view statement : split_statements(script)) {
    const std::string words = first_words(statement, 2) + " ";
    const auto found = std::find_if(
        transaction_words.begin(), transaction_words.end(),
        [&](std::string_view word) { return words.starts_with(std::string{word} + " "); });
    if (found != transaction_words.end() && !is_to_savepoint(statement)) {
      return Error{"its rollback_script has " + std::string{*found} + " as statement " +
                       std::to_string(statements.size() + 1),
                   "take it out: each script runs in a transaction of its own"};
    }
    statements.emplace_back(statement);
  }
  if (statements.empty()) {
    return Error{"it has no rollback_script", "write one, or revert it by hand and record that"};
  }
  return statements;
}

}  // namespace rollbackd::engine
