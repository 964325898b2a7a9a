#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/time.hpp"

namespace rollbackd::terminal {

// A table for people: columns as wide as their widest cell, in the width of code points.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string text() const;

 private:
  struct Rows : std::vector<std::vector<std::string>> {
    explicit Rows(std::vector<std::string> first) { push_back(std::move(first)); }
  };
  Rows rows_;
};

enum class Colour { plain, bold, dim, red, green, yellow };

// Of a status, a state or an outcome: "success", "firing", "violation".
Colour colour_of(std::string_view word);

// The text in this colour where standard output is a terminal and NO_COLOR is not set.
std::string coloured(Colour colour, const std::string& text);

// The line above a part of what is shown: bold, with its end of line.
std::string heading(const std::string& text);

// Texts from the database may hold anything; a terminal obeys control characters, and people read
// what an override of the writing direction makes of a line. One line without them.
std::string printable(std::string_view text);

// The word, printable, in its colour.
std::string word(const std::string& text);

// Whether nobody can read any more what is printed: the pipe's reader, or the terminal, is gone.
bool is_unread();

// The text in so many columns, the last one "…" if it is cut. Escape sequences of colours take
// none.
std::string fitted(std::string_view text, std::size_t columns);

// A line that is renewed in place on a terminal, as wide as that; elsewhere there are only the
// lines that stay.
class LiveLine {
 public:
  LiveLine();
  ~LiveLine() { clear(); }
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  void show(const std::string& text);
  // A line that stays, above the live one.
  void say(const std::string& text);
  void clear();
  [[nodiscard]] bool is_terminal() const { return terminal_; }

 private:
  bool terminal_;
  std::string shown_;
};

// "[######----]" of this share of the whole.
std::string bar(std::size_t done, std::size_t whole);

// A time as PostgreSQL or the API writes it in JSON, in UTC; nothing: it is none.
std::optional<rules::Instant> moment_of(const std::string& timestamp);

// "3 s", "4 min", "2 h", "5 d" since such a time; "-" when it is none.
std::string age(const std::string& timestamp);

// "3 ms", "1.2 s", "4 min 5 s".
std::string length_text(rules::Duration duration);

}  // namespace rollbackd::terminal
