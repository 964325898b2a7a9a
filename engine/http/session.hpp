#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/asio.hpp"
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "engine/clock.hpp"
#include "engine/http/server.hpp"

namespace rollbackd::engine {

class HttpSession;

// What the connections of one server share.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  [[nodiscard]] virtual const HttpLimits& limits() const = 0;
  [[nodiscard]] virtual std::string next_request_id() = 0;
  virtual void answer(ApiRequest request, ApiReply reply) = 0;
  // How large the body of this request may be; never 0.
  [[nodiscard]] virtual BodyLimit body_limit(const ApiRequest& request) const = 0;
  // A request was answered; `request` is as empty as the refused one was unreadable.
  virtual void answered(const ApiRequest& request, const ApiResponse& response,
                        const std::string& request_id, const std::string& client,
                        rules::Duration taken) = 0;
  virtual void forget(HttpSession& session) = 0;
};

// One connection: one request after the other until somebody has enough of it. Every wait has a
// deadline. Its coroutines keep to plain statements: g++ 12 destroys the temporaries of a
// conditional inside co_await twice.
class HttpSession final : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(asio::ip::tcp::socket socket, std::shared_ptr<SessionHost> host);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  // `self` keeps it alive while it runs.
  static asio::awaitable<void> serve(std::shared_ptr<HttpSession> self);

  // Makes everything that waits fail at once.
  void close();

  // What it waits for, and since when. Whose request is whole is waited for by its client.
  enum class Stage { idle, request, answer, reader };
  [[nodiscard]] Stage stage() const { return stage_; }
  [[nodiscard]] SteadyTime stage_since() const { return stage_since_; }

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class OnDeadline { stop_reading, close };

  // Answers one request. False: the connection is to be closed.
  asio::awaitable<bool> exchange();
  asio::awaitable<bool> read_header(Parser& parser);
  asio::awaitable<bool> read_body(Parser& parser);
  asio::awaitable<bool> wait_for_request();
  // What the API answers to request_, whenever it does.
  asio::awaitable<ApiResponse> answer();
  // Sends the pieces of a stream after its header, until its end or the client's.
  asio::awaitable<bool> write_stream(const ApiResponse& response, unsigned version);
  asio::awaitable<std::optional<std::string>> next_piece(ApiStream& stream);
  // Answers request_. `response` has to live until it is written.
  asio::awaitable<bool> write(const ApiResponse& response, unsigned version, bool keep_alive);
  asio::awaitable<void> linger();
  // After a refusal nothing more can be read from this connection.
  // `response` has to live until it is written.
  asio::awaitable<bool> refuse(const Parser& parser, ApiResponse& response);
  // What to say about a request that could not be read; nothing: there is nobody to say it to.
  [[nodiscard]] std::optional<ApiResponse> complaint(const boost::system::error_code& error,
                                                     bool has_target) const;

  void enter(Stage stage);
  void arm(std::chrono::milliseconds deadline, OnDeadline action);

  std::shared_ptr<SessionHost> host_;
  asio::ip::tcp::socket socket_;
  asio::steady_timer timer_;
  boost::beast::flat_buffer buffer_;
  std::string client_;
  ApiRequest request_;    // the one at hand, as far as it could be read
  BodyLimit body_limit_;  // its body's
  Stage stage_ = Stage::idle;
  SteadyTime stage_since_ = steady_now();
  SteadyTime begun_{};
  std::uint64_t deadlines_ = 0;  // tells a late timer from the one that counts
  bool timed_out_ = false;
};

}  // namespace rollbackd::engine
