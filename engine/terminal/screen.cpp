#include "engine/terminal/screen.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/clock.hpp"
#include "engine/time_text.hpp"
#include "engine/utf8.hpp"

namespace rollbackd::terminal {
namespace {

bool is_terminal_out() {
  const char* term = std::getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && term != nullptr && std::string_view{term} != "dumb";
}

// The bytes of the escape sequence that the text begins with; 0: with none.
std::size_t escape_at(std::string_view text) {
  return text.front() == '\033' ? std::min(text.find('m'), text.size() - 1) + 1 : 0;
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    if (const std::size_t escape = escape_at(text); escape > 0) {
      text.remove_prefix(escape);
      continue;
    }
    engine::take_code_point(text);
    ++width;
  }
  return width;
}

// Of a terminal that does not say: wide enough.
std::size_t terminal_columns() {
  winsize size{};
  const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return is_known ? size.ws_col : 1000;
}

}  // namespace

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  }
  std::string out;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows_[r].size(); ++i) {
      const std::string& cell = rows_[r][i];
      const bool is_last = i + 1 == rows_[r].size();
      line += cell + (is_last ? "" : std::string(widths[i] - width_of(cell) + 2, ' '));
    }
    out += (r == 0 ? coloured(Colour::bold, line) : line) + "\n";
  }
  return out;
}

std::string coloured(Colour colour, const std::string& text) {
  static const bool in_colour = is_terminal_out() && std::getenv("NO_COLOR") == nullptr;
  if (!in_colour || colour == Colour::plain) {
    return text;
  }
  const char* code = "1";
  switch (colour) {
    case Colour::plain:
    case Colour::bold:
      break;
    case Colour::dim:
      code = "2";
      break;
    case Colour::red:
      code = "31";
      break;
    case Colour::green:
      code = "32";
      break;
    case Colour::yellow:
      code = "33";
      break;
  }
  return std::string{"\033["} + code + "m" + text + "\033[0m";
}

Colour colour_of(std::string_view word) {
  static const std::map<std::string_view, Colour> colours{
      {"healthy", Colour::green},      {"success", Colour::green},
      {"ok", Colour::green},           {"compliant", Colour::green},
      {"watched", Colour::yellow},     {"held", Colour::yellow},
      {"proposed", Colour::yellow},    {"rolling_back", Colour::yellow},
      {"in_progress", Colour::yellow}, {"aborted", Colour::yellow},
      {"warning", Colour::yellow},     {"pending", Colour::dim},
      {"skipped", Colour::dim},        {"rolled_back", Colour::dim},
      {"firing", Colour::red},         {"rejected", Colour::red},
      {"failed", Colour::red},         {"FAILED", Colour::red},
      {"violation", Colour::red},      {"error", Colour::red}};
  const auto found = colours.find(word);
  return found == colours.end() ? Colour::plain : found->second;
}

std::string heading(const std::string& text) { return coloured(Colour::bold, text) + "\n"; }

std::string word(const std::string& text) { return coloured(colour_of(text), printable(text)); }

std::string printable(std::string_view text) {
  std::string line = engine::plain_text(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return line;
}

bool is_unread() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return ::poll(&out, 1, 0) == 1;  // with no wish, only an error or the other end's end is told
}

std::string fitted(std::string_view text, std::size_t columns) {
  if (width_of(text) <= columns) {
    return std::string{text};
  }
  std::string out;
  bool has_escape = false;
  for (std::size_t width = 1; width < columns;) {
    const std::string_view before = text;
    if (const std::size_t escape = escape_at(text); escape > 0) {
      text.remove_prefix(escape);
      has_escape = true;
    } else {
      engine::take_code_point(text);
      ++width;
    }
    out += before.substr(0, before.size() - text.size());
  }
  return out + (has_escape ? "\033[0m…" : "…");
}

LiveLine::LiveLine() : terminal_{is_terminal_out()} {}

void LiveLine::show(const std::string& text) {
  if (text == shown_) {
    return;
  }
  if (terminal_) {
    // A line that wraps cannot be taken back.
    std::cout << "\r\033[K" << fitted(text, terminal_columns() - 1) << std::flush;
  }
  shown_ = text;
}

void LiveLine::say(const std::string& text) {
  clear();
  std::cout << text << std::endl;
}

void LiveLine::clear() {
  if (terminal_ && !shown_.empty()) {
    std::cout << "\r\033[K" << std::flush;
  }
  shown_.clear();
}

std::string bar(std::size_t done, std::size_t whole) {
  constexpr std::size_t width = 24;
  const std::size_t filled = whole == 0 ? 0 : std::min(width, done * width / whole);
  return "[" + std::string(filled, '#') + std::string(width - filled, '-') + "]";
}

// PostgreSQL writes as many digits of the second as there are, and +00:00.
std::optional<rules::Instant> moment_of(const std::string& timestamp) {
  constexpr std::size_t to_the_second = 19;
  constexpr std::size_t digits_max = 6;
  std::string text = timestamp.substr(0, to_the_second);
  if (timestamp.size() > to_the_second && timestamp[to_the_second] == '.') {
    std::string digits = timestamp.substr(to_the_second + 1, digits_max);
    digits = digits.substr(0, digits.find_first_not_of("0123456789"));
    digits.resize(digits_max, '0');
    text += "." + digits;
  }
  return engine::parse_instant(text + "Z");
}

std::string age(const std::string& timestamp) {
  const auto moment = moment_of(timestamp);
  if (!moment) {
    return "-";
  }
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(engine::wall_now() - *moment).count();
  if (seconds < 0) {
    return "in " + std::to_string(-seconds) + " s";
  }
  if (seconds < 120) {
    return std::to_string(seconds) + " s";
  }
  if (seconds < 2 * 3600) {
    return std::to_string(seconds / 60) + " min";
  }
  return seconds < 48 * 3600 ? std::to_string(seconds / 3600) + " h"
                             : std::to_string(seconds / 86400) + " d";
}

std::string length_text(rules::Duration duration) {
  const std::int64_t us = duration.count();
  if (us < 1'000'000) {
    return std::to_string(us / 1000) + " ms";
  }
  if (us < 60'000'000) {
    return std::to_string(us / 1'000'000) + "." + std::to_string(us / 100'000 % 10) + " s";
  }
  const std::int64_t seconds = us / 1'000'000;
  return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
}

}  // namespace rollbackd::terminal
