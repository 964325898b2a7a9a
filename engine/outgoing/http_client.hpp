#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/asio.hpp"

#include "engine/steady_time.hpp"

// The program's one HTTP client: libcurl behind a thread of its own. It asks once and tells how it
// went; whether to ask again is the caller's decision alone, because only the caller knows what a
// second request would do.
namespace rollbackd::engine {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// An answer of the server, whatever its status. Redirects are answers, too: none is followed.
struct HttpResponse {
  static constexpr std::size_t body_bytes_max = 1U << 20U;  // unless the request wants more

  int status = 0;
  HttpHeaders headers;
  std::string body;
  bool body_cut = false;  // there was more of it than was to be taken

  // The first header of the name in whatever case, or nothing.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  [[nodiscard]] bool is_success() const { return status >= 200 && status < 300; }
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // https, or http to loopback; no user and password in it
  HttpHeaders headers;
  std::string body;
  std::chrono::milliseconds deadline{10'000};         // for all of it
  std::chrono::milliseconds connect_deadline{5'000};  // for look-up, connection and TLS
  // For what acts: on a connection of its own, neither reused nor kept. A reused connection that
  // dies makes libcurl send a request again by itself.
  bool once = false;
  // Of the answer's body no more is taken.
  std::size_t answer_bytes_max = HttpResponse::body_bytes_max;
  // Nothing of it leaves later; it is not_sent then.
  SteadyTime leave_by = SteadyTime::max();
};

struct HttpFailure {
  enum class Certainty {
    not_sent,  // no byte of the request left this program: it certainly did nothing
    unknown,   // it may have been received and acted upon
  };
  Certainty certainty = Certainty::unknown;
  // For people. Of the URL it names scheme and host only: a path may be a secret.
  std::string what;
  // The status line had arrived when the rest of the answer failed; 0: it had not.
  int status = 0;
};

struct HttpOutcome {
  std::optional<HttpResponse> response;  // nothing: `failure` says why
  HttpFailure failure;
  std::chrono::microseconds took{};  // from the start of the look-up
};

// Any thread may send; nothing blocks. Proxies are taken from the environment as curl does
// (https_proxy, no_proxy, …), but never for plain http. At most requests_max are under way; one
// more is not_sent.
class HttpClient {
 public:
  static constexpr std::size_t requests_max = 64;

  using OnDone = std::function<void(HttpOutcome)>;

  // Answers are delivered on `answers_on`, which is kept from running out of work meanwhile.
  explicit HttpClient(asio::any_io_executor answers_on);
  // Ends what is under way at once, without telling.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `on_done` is called exactly once, never from within send(), unless the client ends first.
  void send(HttpRequest request, OnDone on_done);

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

// What may be said of a URL in logs and errors: "https://host" or "https://host:8443"; "the URL" if
// it is none.
std::string origin_of(const std::string& url);

}  // namespace rollbackd::engine
