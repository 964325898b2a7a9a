#include "engine/markdown.hpp"

#include <algorithm>
#include <utility>

#include "engine/utf8.hpp"
#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::string_view marks = "\\*_~`|<>[]";
constexpr std::string_view marks_at_line_start = "#-+";
constexpr std::string_view in_links = "-._~:/?#@!$&'()*+,;=%";

bool is_one_of(char32_t c, std::string_view set) {
  return c < 0x80 && set.find(static_cast<char>(c)) != std::string_view::npos;
}

bool is_alphanumeric(char32_t c) {
  return (c >= U'0' && c <= U'9') || (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
}

std::string_view without_blanks_around(std::string_view text) {
  constexpr std::string_view blank = " \t\n";
  const std::size_t begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

// Takes text up to a limit and then, once, the "…".
class Limited {
 public:
  explicit Limited(std::size_t units_max) : units_max_{units_max} {}

  // False: it was full.
  bool add(std::string_view piece) {
    const std::size_t units = units_ + utf16_length(piece);
    if (units > units_max_) {
      text_.resize(room_for_ellipsis_);
      text_ += "…";
      return false;
    }
    text_ += piece;
    units_ = units;
    if (units_ < units_max_) {
      room_for_ellipsis_ = text_.size();
    }
    return true;
  }

  [[nodiscard]] std::string text() && { return std::move(text_); }

 private:
  std::size_t units_max_;
  std::size_t units_ = 0;
  std::size_t room_for_ellipsis_ = 0;  // how much of it may stay when it has to be cut
  std::string text_;
};

}  // namespace

std::string escaped(std::string_view text, std::size_t units_max) {
  INVARIANT(units_max > 0);
  const std::string plain = plain_text(text);
  std::string_view rest = without_blanks_around(plain);
  Limited out{units_max};
  bool at_line_start = true;
  bool in_link = false;
  while (!rest.empty()) {
    // An escape inside a link would become a part of its address.
    in_link = rest.starts_with("https://") || rest.starts_with("http://") || in_link;
    const char32_t c = take_code_point(rest);
    in_link = in_link && (is_alphanumeric(c) || is_one_of(c, in_links));
    const bool special =
        is_one_of(c, marks) || (at_line_start && is_one_of(c, marks_at_line_start));
    std::string piece = special && !in_link ? "\\" : "";
    append_code_point(piece, c);
    if (!out.add(piece)) {
      break;
    }
    at_line_start = c == U'\n' || (at_line_start && (c == U' ' || c == U'\t'));
  }
  return std::move(out).text();
}

std::string escaped_line(std::string_view text, std::size_t units_max) {
  std::string line = plain_text(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return escaped(line, units_max);
}

}  // namespace rollbackd::engine
