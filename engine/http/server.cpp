#include "engine/http/server.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <utility>

#include <fmt/format.h>

#include "engine/http/session.hpp"

namespace rollbackd::engine {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds accept_pause{200};
// Refused requests that get a line in the log, unless its level is debug.
constexpr int lines_a_second = 100;
// A client that has not taken its answer for so long may lose it to somebody who comes now.
constexpr std::chrono::seconds reader_patience{1};
// Descriptors that are left to everybody else: the database, the executors, their children. Of few
// the half.
constexpr rlim_t descriptors_reserved = 64;
// Clients can bring a failure about again and again; it is said once in so long.
constexpr std::chrono::minutes failure_told_every{1};

// As many connections as are wanted, or as there are descriptors for.
std::size_t connections_for(std::size_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return wanted;
  }
  return std::min<std::size_t>(wanted,
                               limit.rlim_cur - std::min(descriptors_reserved, limit.rlim_cur / 2));
}

// The answer to a connection that is one too many. It is written without waiting.
std::string full_house() {
  const ApiResponse response =
      refusal(503, "Too many connections",
              "Every connection is at work; send the request again in a second.");
  return fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
      "Retry-After: 1\r\nConnection: close\r\n\r\n{}",
      response.content_type, response.body.size(), response.body);
}

}  // namespace

class HttpServer::Core final : public SessionHost, public std::enable_shared_from_this<Core> {
 public:
  Core(asio::io_context& reactor, Api api, Log& log, Meter& meter, const HttpLimits& limits)
      : reactor_{reactor},
        acceptor_{reactor},
        pause_{reactor},
        api_{std::move(api)},
        log_{log},
        meter_{meter},
        limits_{limits},
        run_{std::random_device{}()} {}

  error_code listen(const tcp::endpoint& endpoint);
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void close();
  void use(std::vector<HttpToken> tokens) { api_.use(std::move(tokens)); }

  [[nodiscard]] const HttpLimits& limits() const override { return limits_; }
  [[nodiscard]] std::string next_request_id() override {
    return fmt::format("{:08x}-{}", run_, ++requests_);
  }
  [[nodiscard]] const Api& api() const { return api_; }
  void answer(ApiRequest request, ApiReply reply) override;
  [[nodiscard]] BodyLimit body_limit(const ApiRequest& request) const override {
    BodyLimit limit = api_.body_limit(request);
    limit.bytes = limit.bytes > 0 ? limit.bytes : limits_.body_max;
    return limit;
  }
  void answered(const ApiRequest& request, const ApiResponse& response,
                const std::string& request_id, const std::string& client,
                rules::Duration taken) override;
  void forget(HttpSession& session) override { sessions_.erase(&session); }

 private:
  static asio::awaitable<void> accept_all(std::shared_ptr<Core> self);
  void welcome(tcp::socket socket);
  bool make_room();
  [[nodiscard]] bool is_news(const ApiResponse& response);
  [[nodiscard]] HttpSession* dispensable() const;

  asio::io_context& reactor_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  Api api_;
  Log& log_;
  Meter& meter_;
  HttpLimits limits_;
  std::set<HttpSession*> sessions_;
  std::uint32_t run_;  // tells the request ids of two runs apart
  std::uint64_t requests_ = 0;
  std::optional<SteadyTime> failure_told_at_;
  SteadyTime lines_since_{};
  int lines_ = 0;
  std::size_t connections_max_ = connections_for(limits_.connections_max);
};

error_code HttpServer::Core::listen(const tcp::endpoint& endpoint) {
  error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) {
    acceptor_.set_option(tcp::acceptor::reuse_address{true}, error);
  }
  if (!error && endpoint.address().is_v6() && endpoint.address().is_unspecified()) {
    // All addresses are those of IPv4, too, whatever the machine's default is.
    const int only = 0;
    setsockopt(acceptor_.native_handle(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  }
  if (!error) {
    acceptor_.bind(endpoint, error);
  }
  if (!error) {
    acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  }
  if (!error) {
    acceptor_.non_blocking(true, error);
  }
  if (error) {
    error_code ignored;
    acceptor_.close(ignored);
    return error;
  }
  asio::co_spawn(reactor_, accept_all(shared_from_this()), asio::detached);
  return error;
}

void HttpServer::Core::close() {
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  for (HttpSession* session : std::exchange(sessions_, {})) {
    session->close();
  }
}

asio::awaitable<void> HttpServer::Core::accept_all(std::shared_ptr<Core> self) {
  while (self->acceptor_.is_open()) {
    // Waiting first: accept() fails for want of a descriptor also when nobody is there to be
    // accepted.
    co_await self->acceptor_.async_wait(tcp::acceptor::wait_read, as_result);
    tcp::socket socket{self->reactor_};
    error_code error;
    self->acceptor_.accept(socket, error);
    if (!error) {
      self->welcome(std::move(socket));
    } else if (error != asio::error::would_block && error != asio::error::connection_aborted &&
               self->acceptor_.is_open()) {
      // Out of descriptors or memory: the connection stays in the queue, and asking again at once
      // would spin at 100 % CPU, unless there is room now.
      const SteadyTime now = steady_now();
      if (!self->failure_told_at_ || now - *self->failure_told_at_ >= failure_told_every) {
        self->failure_told_at_ = now;
        self->log_.error("http_accept_failed", {{"error", error.message()}});
      }
      const bool has_room = self->make_room();
      if (!has_room) {
        self->pause_.expires_after(accept_pause);
        co_await self->pause_.async_wait(as_result);
      }
    }
  }
}

void HttpServer::Core::welcome(tcp::socket socket) {
  if (sessions_.size() >= connections_max_ && !make_room()) {
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(full_house()), ignored);
    meter_.answered({}, {}, 503);
    meter_.count(Count::http_errors);
    return;
  }
  const auto session = std::make_shared<HttpSession>(std::move(socket), shared_from_this());
  sessions_.insert(session.get());
  asio::co_spawn(reactor_, HttpSession::serve(session),
                 [self = shared_from_this()](const std::exception_ptr& thrown) {
                   if (thrown != nullptr) {
                     self->log_.error("http_connection_failed");
                   }
                 });
}

// Whose client keeps us waiting longest, for a request or for the rest of one: a client that holds
// connections to keep others out waits long, one that has just come does not. Else who does not
// take its answer. Nobody whose answer is being made.
HttpSession* HttpServer::Core::dispensable() const {
  using Stage = HttpSession::Stage;
  const SteadyTime now = steady_now();
  HttpSession* sender = nullptr;
  HttpSession* reader = nullptr;
  for (HttpSession* session : sessions_) {
    const SteadyTime since = session->stage_since();
    const bool is_sender = session->stage() == Stage::idle || session->stage() == Stage::request;
    if (is_sender && (sender == nullptr || since < sender->stage_since())) {
      sender = session;
    }
    if (session->stage() == Stage::reader && now - since > reader_patience &&
        (reader == nullptr || since < reader->stage_since())) {
      reader = session;
    }
  }
  return sender != nullptr ? sender : reader;
}

bool HttpServer::Core::make_room() {
  HttpSession* session = dispensable();
  if (session == nullptr) {
    return false;
  }
  sessions_.erase(session);
  session->close();
  return true;
}

void HttpServer::Core::answer(ApiRequest request, ApiReply reply) {
  const std::string path = request.path;
  const auto once = std::make_shared<ApiReply>(std::move(reply));
  try {
    api_.answer(std::move(request), [once](ApiResponse response) {
      if (const ApiReply answer = std::exchange(*once, nullptr)) {
        answer(std::move(response));
      }
    });
  } catch (const std::exception& thrown) {
    log_.error("http_handler_failed", {{"path", path}, {"error", std::string{thrown.what()}}});
    if (const ApiReply answer = std::exchange(*once, nullptr)) {
      answer(refusal(500, "Internal error", "This is a mistake of the daemon; its log says more."));
    }
  }
}

// A flood of requests is to be no flood of lines.
bool HttpServer::Core::is_news(const ApiResponse& response) {
  const SteadyTime now = steady_now();
  if (now - lines_since_ >= std::chrono::seconds{1}) {
    lines_since_ = now;
    lines_ = 0;
  }
  return response.status != 429 && ++lines_ <= lines_a_second;
}

void HttpServer::Core::answered(const ApiRequest& request, const ApiResponse& response,
                                const std::string& request_id, const std::string& client,
                                rules::Duration taken) {
  const bool refused = response.status >= 400;
  meter_.answered(response.route.first, response.route.second, response.status);
  if (refused) {
    meter_.count(Count::http_errors);
  }
  meter_.observe(Timing::http_request, rules::in_seconds(taken));
  rules::Fields fields{{"request_id", request_id},
                       {"method", request.method},
                       {"path", request.path},
                       {"status", std::int64_t{response.status}},
                       {"duration_us", std::int64_t{taken.count()}},
                       {"client", client}};
  if (!response.token.empty()) {
    fields.push_back({"token", response.token});
  }
  log_.write(refused && is_news(response) ? LogLevel::info : LogLevel::debug, "http_request",
             fields);
}

HttpServer::HttpServer(asio::io_context& reactor, Api api, Log& log, Meter& meter,
                       HttpLimits limits)
    : core_{std::make_shared<Core>(reactor, std::move(api), log, meter, limits)} {}

HttpServer::~HttpServer() { close(); }

Status HttpServer::listen(const ListenAddress& address) {
  const bool all = address.host.empty();
  error_code error;
  const asio::ip::address host = all ? asio::ip::address{asio::ip::address_v6::any()}
                                     : asio::ip::make_address(address.host, error);
  if (!error) {
    error = core_->listen({host, address.port});
  }
  if (error && all) {
    // A machine without IPv6.
    error = core_->listen({asio::ip::address_v4::any(), address.port});
  }
  if (!error) {
    return Done{};
  }
  const bool is_v6 = address.host.find(':') != std::string::npos;
  const std::string shown = is_v6 ? "[" + address.host + "]" : address.host;
  return Error{
      "cannot listen on " + shown + ":" + std::to_string(address.port) + ": " + error.message(),
      "choose another http.listen, or end what listens there"};
}

std::uint16_t HttpServer::port() const { return core_->port(); }

void HttpServer::use(std::vector<HttpToken> tokens) { core_->use(std::move(tokens)); }
std::vector<std::pair<std::string_view, std::string_view>> HttpServer::routes() const {
  std::vector<std::pair<std::string_view, std::string_view>> all;
  for (const Route& route : core_->api().routes()) {
    all.emplace_back(route.method, route.path);
  }
  return all;
}

void HttpServer::close() { core_->close(); }

}  // namespace rollbackd::engine
