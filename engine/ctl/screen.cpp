#include "engine/ctl/screen.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <unistd.h>

#include "engine/clock.hpp"
#include "engine/time_text.hpp"
#include "engine/utf8.hpp"

namespace rollbackd::ctl {
namespace {

bool is_terminal_out() {
  const char* term = std::getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && term != nullptr && std::string_view{term} != "dumb";
}

// Without the escape sequences of colours.
std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    if (text.front() == '\033') {
      text.remove_prefix(std::min(text.find('m'), text.size() - 1) + 1);
      continue;
    }
    engine::take_code_point(text);
    ++width;
  }
  return width;
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

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char32_t c = engine::take_code_point(text);
    const bool is_control = c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029;
    engine::append_code_point(out, is_control ? U' ' : c);
  }
  return out;
}

LiveLine::LiveLine() : terminal_{is_terminal_out()} {}

void LiveLine::show(const std::string& text) {
  if (text == shown_) {
    return;
  }
  if (terminal_) {
    std::cout << "\r\033[K" << text << std::flush;
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

std::string age(const std::string& timestamp) {
  // PostgreSQL writes as many digits of the second as there are, and +00:00.
  const auto moment = engine::parse_instant(timestamp.substr(0, 19) + "Z");
  if (!moment) {
    return "-";
  }
  const auto now = engine::wall_now().time_since_epoch();
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now - moment->time_since_epoch()).count();
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

}  // namespace rollbackd::ctl
