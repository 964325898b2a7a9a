#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace rollbackd::fuzz {

// Takes the text up to the next separator, and the separator, off `input`.
inline std::string_view take_part(std::string_view& input, char separator = '\n') {
  const std::string_view part = input.substr(0, input.find(separator));
  input.remove_prefix(std::min(part.size() + 1, input.size()));
  return part;
}

// A number that the input decides: for what the world around it does, so that seeds stay readable.
// FNV-1a.
inline std::uint64_t number_of(std::string_view input) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : input) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return hash ^ (hash >> 32U);
}

}  // namespace rollbackd::fuzz
