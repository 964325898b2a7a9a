#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace rollbackd::tests {

struct StubRequest {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  [[nodiscard]] std::optional<std::string> header(std::string_view lower_case_name) const;
};

struct StubAnswer {
  enum class How {
    answer,
    hold,   // not before release()
    reset,  // the connection is reset instead
    close,  // or closed
    cut,    // half of the body, then closed
    raw,    // `body` is sent as it is, then closed
  };

  int status = 200;
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  How how = How::answer;
  std::chrono::milliseconds delay{0};
  bool close_after = false;  // instead of keeping the connection for the next request
};

// An HTTP server on a free port of 127.0.0.1 that answers as it is told and remembers what it was
// asked. One thread per connection; all are gone with it.
class HttpStub {
 public:
  enum class Greeting { none, reset_on_accept, silent, garbage };

  // With a greeting, connections are treated so instead of being read as HTTP: as a peer that
  // cannot speak TLS would.
  explicit HttpStub(Greeting greeting = Greeting::none);
  ~HttpStub();
  HttpStub(const HttpStub&) = delete;
  HttpStub& operator=(const HttpStub&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(std::string_view path = "/") const;

  // The answers of the requests to come, in order; after them `otherwise`.
  void next(StubAnswer answer);
  void otherwise(StubAnswer answer);
  // The same, of answers that are made when they are asked for; several may be at once.
  using Maker = std::function<StubAnswer(const StubRequest&)>;
  void answer_by(Maker maker);
  // Of every request whose target has this in it, whatever else there is.
  void always(std::string_view in_target, StubAnswer answer);
  // Lets every answer go that is held.
  void release();

  [[nodiscard]] std::vector<StubRequest> requests() const;
  [[nodiscard]] std::size_t connections() const;
  // False: not so many within a minute.
  bool wait_for_requests(std::size_t count) const;
  bool wait_for_connections(std::size_t count) const;

 private:
  void accept_all();
  void serve(int socket);
  bool serve_one(int socket, std::string& received);
  // `released`: how often release() had been called when the request was recorded.
  void wait_to_answer(const StubAnswer& answer, std::size_t released);
  static bool answer(int socket, const StubAnswer& answer, bool head_only);

  Greeting greeting_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<StubAnswer> answers_;
  Maker otherwise_ = [](const StubRequest&) { return StubAnswer{}; };
  std::vector<std::pair<std::string, StubAnswer>> by_target_;
  std::vector<StubRequest> requests_;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::size_t released_ = 0;
  bool stopping_ = false;
  std::thread acceptor_;
};

// A port of 127.0.0.1 that refuses connections and that nobody else can get meanwhile.
class ClosedPort {
 public:
  ClosedPort();
  ~ClosedPort();
  ClosedPort(const ClosedPort&) = delete;
  ClosedPort& operator=(const ClosedPort&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(std::string_view path = "/") const;

 private:
  int socket_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace rollbackd::tests
