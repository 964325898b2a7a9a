#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rollbackd::engine {

// A request whose form has been checked: what the API looks at, whoever spoke HTTP.
struct ApiRequest {
  std::string method;  // as it came: an unknown one is refused by the route
  std::string path;    // decoded, without the query
  std::string authorization;
  std::string apikey;
  std::string body;
};

struct ApiResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

inline constexpr std::string_view plain_text_type = "text/plain; charset=utf-8";

// {"error": …, "details": …}: every refusal says what was wrong, and what to do about it.
ApiResponse refusal(int status, std::string_view error, std::string_view details);

}  // namespace rollbackd::engine
