#include "engine/foreign_json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace rollbackd::engine {
namespace {

constexpr std::string_view number_bytes = "0123456789+-.eE";

// The text up to the end of what begins at its front: a string with its quotes, a number, or one
// other byte.
std::size_t token_end(std::string_view text) {
  if (text.front() == '"') {
    std::size_t end = 1;
    while (end < text.size() && text[end] != '"') {
      end += text[end] == '\\' ? 2U : 1U;
    }
    return std::min(end + 1, text.size());
  }
  if (text.front() == '-' || (text.front() >= '0' && text.front() <= '9')) {
    return std::min(text.find_first_not_of(number_bytes), text.size());
  }
  return 1;
}

}  // namespace

std::string with_readable_numbers(std::string_view json_text) {
  std::string out;
  while (!json_text.empty()) {
    const std::string token{json_text.substr(0, token_end(json_text))};
    json_text.remove_prefix(token.size());
    const bool is_number =
        token.front() != '"' && number_bytes.find(token.front()) != std::string_view::npos;
    out += is_number && std::isinf(std::strtod(token.c_str(), nullptr)) ? '"' + token + '"' : token;
  }
  return out;
}

}  // namespace rollbackd::engine
