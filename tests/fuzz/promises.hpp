#pragma once

#include <algorithm>
#include <string_view>

#include <simdjson.h>

#include "engine/json_document.hpp"

// What any text of ours has to be, told by others' code where that exists.
namespace rollbackd::fuzz {

inline bool is_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

inline bool is_json(std::string_view text) {
  return static_cast<bool>(engine::JsonDocument::parse(text));
}

// A line for a log or an error: valid, and nothing in it steers a terminal or begins a line.
inline bool is_one_line(std::string_view text) {
  const bool has_control = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  // U+0080 to U+009F.
  bool has_c1 = false;
  for (std::size_t at = text.find('\xC2'); at != std::string_view::npos;
       at = text.find('\xC2', at + 1)) {
    has_c1 = has_c1 || (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0);
  }
  return is_utf8(text) && !has_control && !has_c1;
}

}  // namespace rollbackd::fuzz
