#include "engine/utf8.hpp"

#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

constexpr char32_t replacement = 0xFFFD;
constexpr char32_t escape = 0x1B;
constexpr char32_t bell = 0x07;
constexpr std::string_view ellipsis = "…";

constexpr bool continues(unsigned char byte) { return (byte & 0xC0U) == 0x80U; }

// How many bytes a sequence has that begins so; 0: none does.
constexpr std::size_t sequence_length(unsigned char first) {
  if (first < 0x80) {
    return 1;
  }
  if (first >= 0xC2 && first < 0xE0) {
    return 2;
  }
  if (first >= 0xE0 && first < 0xF0) {
    return 3;
  }
  return first >= 0xF0 && first < 0xF5 ? 4 : 0;
}

constexpr bool is_scalar(char32_t c) { return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF); }

constexpr bool is_overlong(char32_t c, std::size_t length) {
  return (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
}

constexpr bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

// They make a text read differently from what it says.
constexpr bool overrides_direction(char32_t c) {
  return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

// What follows an ESC: a control sequence "[…m", an operating system command "]…BEL", else one
// character.
void skip_escape_sequence(std::string_view& rest) {
  if (rest.empty()) {
    return;
  }
  const char32_t kind = take_code_point(rest);
  if (kind == U'[') {
    while (!rest.empty()) {
      const char32_t c = take_code_point(rest);
      if (c >= 0x40 && c <= 0x7E) {
        return;
      }
    }
  } else if (kind == U']') {
    while (!rest.empty()) {
      const char32_t c = take_code_point(rest);
      if (c == escape && !rest.empty()) {
        take_code_point(rest);
      }
      if (c == bell || c == escape) {
        return;
      }
    }
  }
}

}  // namespace

char32_t take_code_point(std::string_view& text) {
  INVARIANT(!text.empty());
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = sequence_length(first);
  if (length <= 1 || length > text.size()) {
    text.remove_prefix(1);
    return length == 1 ? first : replacement;
  }
  char32_t c = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (!continues(byte)) {
      text.remove_prefix(1);
      return replacement;
    }
    c = (c << 6U) | (byte & 0x3FU);
  }
  if (!is_scalar(c) || is_overlong(c, length)) {
    text.remove_prefix(1);
    return replacement;
  }
  text.remove_prefix(length);
  return c;
}

void append_code_point(std::string& to, char32_t c) {
  INVARIANT(is_scalar(c));
  const auto put = [&to](char32_t byte) { to.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | (c >> 6U));
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12U));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | (c >> 18U));
    put(0x80U | ((c >> 12U) & 0x3FU));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

std::size_t utf16_length(std::string_view text) {
  std::size_t length = 0;
  while (!text.empty()) {
    length += take_code_point(text) >= 0x10000 ? 2U : 1U;
  }
  return length;
}

std::string plain_text(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const char32_t c = take_code_point(bytes);
    if (c == escape) {
      skip_escape_sequence(bytes);
    } else if (c == U'\r') {
      if (!bytes.starts_with('\n')) {
        text.push_back('\n');
      }
    } else if (c == U'\n' || c == 0x85 || c == 0x2028 || c == 0x2029) {
      text.push_back('\n');
    } else if (c == U'\t' || (!is_control(c) && !overrides_direction(c))) {
      append_code_point(text, c);
    }
  }
  return text;
}

std::string cut_end(std::string_view text, std::size_t bytes_max) {
  INVARIANT(bytes_max >= ellipsis.size());
  if (text.size() <= bytes_max) {
    return std::string{text};
  }
  std::size_t end = bytes_max - ellipsis.size();
  while (end > 0 && continues(static_cast<unsigned char>(text[end]))) {
    --end;
  }
  return std::string{text.substr(0, end)}.append(ellipsis);
}

std::string cut_start(std::string_view text, std::size_t bytes_max) {
  INVARIANT(bytes_max >= ellipsis.size());
  if (text.size() <= bytes_max) {
    return std::string{text};
  }
  std::size_t begin = text.size() - (bytes_max - ellipsis.size());
  while (begin < text.size() && continues(static_cast<unsigned char>(text[begin]))) {
    ++begin;
  }
  return std::string{ellipsis}.append(text.substr(begin));
}

}  // namespace rollbackd::engine
