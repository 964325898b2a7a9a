#include "engine/http/session.hpp"

#include <utility>
#include <variant>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/write.hpp>

#include "engine/http/hygiene.hpp"

namespace rollbackd::engine {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

// Room for a header and what a client may send ahead of its turn. Bodies are moved out as they
// come.
constexpr std::size_t read_ahead = 8 * 1024;
constexpr std::size_t discarded_max = 256 * 1024;

}  // namespace

HttpSession::HttpSession(asio::ip::tcp::socket socket, std::shared_ptr<SessionHost> host)
    : host_{std::move(host)},
      socket_{std::move(socket)},
      timer_{socket_.get_executor()},
      buffer_{host_->limits().header_max + read_ahead} {
  error_code error;
  const auto peer = socket_.remote_endpoint(error);
  if (!error) {
    client_ = peer.address().to_string();
  }
  socket_.set_option(asio::ip::tcp::no_delay{true}, error);
}

HttpSession::~HttpSession() { host_->forget(*this); }

void HttpSession::close() {
  error_code ignored;
  timer_.cancel();
  socket_.close(ignored);
}

void HttpSession::enter(Stage stage) {
  stage_ = stage;
  stage_since_ = steady_now();
}

// Cancelling alone is not enough: an operation of several parts may be between two of them. A
// socket that is shut or closed answers the next part at once.
void HttpSession::arm(std::chrono::milliseconds deadline, OnDeadline action) {
  timed_out_ = false;
  timer_.expires_after(deadline);
  timer_.async_wait(
      [weak = weak_from_this(), number = ++deadlines_, action](const error_code& error) {
        const auto self = weak.lock();
        if (error || self == nullptr || self->deadlines_ != number) {
          return;
        }
        error_code ignored;
        self->timed_out_ = true;
        if (action == OnDeadline::stop_reading) {
          self->socket_.shutdown(asio::ip::tcp::socket::shutdown_receive, ignored);
          self->socket_.cancel(ignored);
        } else {
          self->socket_.close(ignored);
        }
      });
}

asio::awaitable<void> HttpSession::serve(std::shared_ptr<HttpSession> self) {
  bool alive = co_await self->wait_for_request();
  while (alive) {
    alive = co_await self->exchange();
    if (alive) {
      alive = co_await self->wait_for_request();
    }
  }
  self->close();
}

asio::awaitable<bool> HttpSession::wait_for_request() {
  if (buffer_.size() > 0) {
    co_return true;
  }
  enter(Stage::idle);
  arm(host_->limits().idle_deadline, OnDeadline::close);
  const auto [error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, as_result);
  co_return !error;
}

asio::awaitable<bool> HttpSession::exchange() {
  enter(Stage::request);
  begun_ = stage_since_;
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(host_->limits().header_max));
  // Not before it is known who asks for what.
  parser.body_limit(boost::none);
  const bool has_header = co_await read_header(parser);
  if (!has_header) {
    co_return false;
  }
  auto cleaned = clean(parser.get(), host_->limits().fields_max);
  if (auto* refused = std::get_if<ApiResponse>(&cleaned)) {
    co_return co_await refuse(parser, *refused);
  }
  body_limit_ = host_->body_limit(std::get<ApiRequest>(cleaned));
  const bool has_body = co_await read_body(parser);
  if (!has_body) {
    co_return false;
  }
  enter(Stage::answer);
  begun_ = stage_since_;
  request_ = std::move(std::get<ApiRequest>(cleaned));
  request_.body = std::move(parser.get().body());
  request_.client = client_;
  timer_.cancel();
  ++deadlines_;
  const ApiResponse response = co_await answer();
  if (response.stream != nullptr) {
    co_return co_await write_stream(response, parser.get().version());
  }
  // What failed inside may have left anything behind; a new connection is cheap.
  const bool keep_alive = parser.get().keep_alive() && response.status != 500;
  co_return co_await write(response, parser.get().version(), keep_alive);
}

// The answer may come from within the call, and a coroutine must not be resumed before it waits.
asio::awaitable<ApiResponse> HttpSession::answer() {
  auto executor = socket_.get_executor();
  return asio::async_initiate<const asio::use_awaitable_t<>, void(ApiResponse)>(
      [this, executor](auto handler) {
        auto kept = std::make_shared<decltype(handler)>(std::move(handler));
        host_->answer(request_, [kept, executor](ApiResponse response) {
          asio::post(executor, [kept, response = std::move(response)]() mutable {
            std::move (*kept)(std::move(response));
          });
        });
      },
      asio::use_awaitable);
}

asio::awaitable<bool> HttpSession::write_stream(const ApiResponse& response, unsigned version) {
  const std::string request_id = host_->next_request_id();
  http::response<http::empty_body> header{static_cast<http::status>(response.status), version};
  header.set(http::field::content_type, response.content_type);
  header.set(http::field::cache_control, "no-store");
  header.set("x-request-id", request_id);
  for (const auto& [name, value] : response.headers) {
    header.set(name, value);
  }
  header.keep_alive(false);
  http::response_serializer<http::empty_body> serializer{header};
  arm(host_->limits().body_deadline, OnDeadline::close);
  const auto [failed, sent] = co_await http::async_write_header(socket_, serializer, as_result);
  error_code error = failed;
  std::optional<std::string> piece = response.body;
  const bool wants_body = request_.method != "HEAD";
  while (wants_body && !error && piece) {
    enter(Stage::reader);
    arm(host_->limits().body_deadline, OnDeadline::close);
    const auto [broken, bytes] =
        co_await asio::async_write(socket_, asio::buffer(*piece), as_result);
    error = broken;
    timer_.cancel();
    ++deadlines_;
    if (!error) {
      enter(Stage::answer);
      piece = co_await next_piece(*response.stream);
    }
  }
  host_->answered(request_, response, request_id, client_, steady_now() - begun_);
  co_return false;
}

asio::awaitable<std::optional<std::string>> HttpSession::next_piece(ApiStream& stream) {
  auto executor = socket_.get_executor();
  return asio::async_initiate<const asio::use_awaitable_t<>, void(std::optional<std::string>)>(
      [&stream, executor](auto handler) {
        auto kept = std::make_shared<decltype(handler)>(std::move(handler));
        stream.next([kept, executor](std::optional<std::string> piece) {
          asio::post(executor, [kept, piece = std::move(piece)]() mutable {
            std::move (*kept)(std::move(piece));
          });
        });
      },
      asio::use_awaitable);
}

// A client that went away, or never said anything, is nobody to answer.
std::optional<ApiResponse> HttpSession::complaint(const error_code& error, bool has_target) const {
  if (timed_out_) {
    return refusal(408, "Request timeout", "The request took too long to arrive.");
  }
  if (error == http::error::body_limit) {
    return body_too_large(body_limit_.bytes, body_limit_.remedy);
  }
  const bool is_gone = error == http::error::end_of_stream ||
                       error == http::error::partial_message ||
                       error.category() == boost::system::system_category();
  return is_gone ? std::nullopt : std::optional{refusal_of(error, has_target)};
}

asio::awaitable<bool> HttpSession::read_header(Parser& parser) {
  arm(host_->limits().header_deadline, OnDeadline::stop_reading);
  const auto [error, bytes] = co_await http::async_read_header(socket_, buffer_, parser, as_result);
  if (!error) {
    co_return true;
  }
  auto why = complaint(error, !parser.get().target().empty());
  if (why) {
    co_await refuse(parser, *why);
  }
  co_return false;
}

asio::awaitable<bool> HttpSession::read_body(Parser& parser) {
  parser.body_limit(body_limit_.bytes);
  const auto length = parser.content_length();
  if (length && *length > body_limit_.bytes) {
    ApiResponse why = body_too_large(body_limit_.bytes, body_limit_.remedy);
    co_return co_await refuse(parser, why);
  }
  arm(host_->limits().body_deadline, OnDeadline::stop_reading);
  if (!parser.is_done() && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    co_await asio::async_write(socket_, asio::buffer(go_on), as_result);
  }
  const auto [error, bytes] = co_await http::async_read(socket_, buffer_, parser, as_result);
  if (!error) {
    co_return true;
  }
  auto why = complaint(error, true);
  if (why) {
    co_await refuse(parser, *why);
  }
  co_return false;
}

asio::awaitable<bool> HttpSession::refuse(const Parser& parser, ApiResponse& response) {
  request_ = {};
  request_.method = std::string{parser.get().method_string()};
  request_.path = std::string{parser.get().target()};
  request_.client = client_;
  // A page in a browser is to see why.
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
  return write(response, 11, false);
}

asio::awaitable<bool> HttpSession::write(const ApiResponse& response, unsigned version,
                                         bool keep_alive) {
  const std::string request_id = host_->next_request_id();
  http::response<http::string_body> out{static_cast<http::status>(response.status), version};
  out.set(http::field::content_type, response.content_type);
  out.set(http::field::cache_control, "no-store");
  out.set("x-content-type-options", "nosniff");
  out.set("x-request-id", request_id);
  for (const auto& [name, value] : response.headers) {
    out.set(name, value);
  }
  out.keep_alive(keep_alive);
  out.content_length(response.body.size());
  if (request_.method != "HEAD") {
    out.body() = response.body;
  }
  enter(Stage::reader);
  arm(host_->limits().body_deadline, OnDeadline::close);
  const auto [error, bytes] = co_await http::async_write(socket_, out, as_result);
  host_->answered(request_, response, request_id, client_, steady_now() - begun_);
  if (error) {
    co_return false;
  }
  if (!keep_alive) {
    co_await linger();
  }
  co_return keep_alive;
}

// Closing while bytes of the client are unread would reset the connection and could take our answer
// from it before it was read.
asio::awaitable<void> HttpSession::linger() {
  arm(host_->limits().linger, OnDeadline::close);
  error_code error;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  buffer_.clear();
  for (std::size_t discarded = 0; !error && discarded < discarded_max;) {
    const auto [failed, bytes] =
        co_await socket_.async_read_some(buffer_.prepare(read_ahead), as_result);
    error = failed;
    discarded += bytes;
  }
}

}  // namespace rollbackd::engine
