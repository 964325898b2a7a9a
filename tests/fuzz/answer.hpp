#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include "engine/outgoing/http_client.hpp"
#include "tests/fuzz/input.hpp"

namespace rollbackd::fuzz {

// A server's answer: the status on the first line, headers on the next ones, an empty line, the
// body.
inline engine::HttpResponse answer_in(std::string_view input) {
  engine::HttpResponse response;
  const std::string_view status = take_part(input);
  std::from_chars(status.data(), status.data() + status.size(), response.status);
  while (!input.empty()) {
    std::string_view line = take_part(input);
    if (line.empty()) {
      break;
    }
    const std::string_view name = take_part(line, ':');
    line.remove_prefix(line.starts_with(' ') ? 1 : 0);
    response.headers.emplace_back(name, line);
  }
  response.body = input;
  return response;
}

}  // namespace rollbackd::fuzz
