#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rollbackd::engine {

// A request whose form has been checked: what the API looks at, whoever spoke HTTP.
struct ApiRequest {
  std::string method;  // as it came: an unknown one is refused by the route
  std::string path;    // decoded, without the query
  std::string query;   // as it came, without its question mark
  std::string authorization;
  std::string apikey;
  std::string prefer;
  std::string idempotency_key;
  std::string accept;
  std::string signature;            // of Discord: X-Signature-Ed25519
  std::string signature_timestamp;  // X-Signature-Timestamp
  std::string client;               // its address
  std::string body;
};

// What is sent piece by piece, until there is nothing more. Reactor thread only.
class ApiStream {
 public:
  virtual ~ApiStream() = default;
  // Answers once: the next piece, or nothing at its end. Destroyed when the client has gone.
  virtual void next(std::function<void(std::optional<std::string>)> on_piece) = 0;
};

struct ApiResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<ApiStream> stream;  // what follows the body; null: nothing
  // Method and path of the route that answered, for as long as the program runs; empty: none did.
  std::pair<std::string_view, std::string_view> route{};
  std::string token;  // the name of the caller's, for the log; empty: none
  bool done = false;  // something was done, or written down: who asks again gets this again
};

// Called once, on the reactor thread, at once or later.
using ApiReply = std::function<void(ApiResponse)>;

inline constexpr std::string_view plain_text_type = "text/plain; charset=utf-8";

// The same, which whoever asks again gets again.
inline ApiResponse done(ApiResponse response) {
  response.done = true;
  return response;
}

// {"error": …, "details": …}: every refusal says what was wrong, and what to do about it.
ApiResponse refusal(int status, std::string_view error, std::string_view details);

}  // namespace rollbackd::engine
