#include "engine/http/server.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <netinet/in.h>
#include <random>
#include <set>
#include <string>
#include <sys/socket.h>
#include <utility>

#include <fmt/format.h>

#include "engine/http/session.hpp"

namespace rollbackd::engine {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds accept_pause{200};

// The answer to a connection that is one too many. It is written without waiting.
std::string full_house() {
  const ApiResponse response =
      refusal(503, "Too many connections", "Every connection is at work; try again later.");
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
  void answered(const ApiRequest& request, const ApiResponse& response,
                const std::string& request_id, const std::string& client,
                rules::Duration taken) override;
  void forget(HttpSession& session) override { sessions_.erase(&session); }

 private:
  static asio::awaitable<void> accept_all(std::shared_ptr<Core> self);
  void welcome(tcp::socket socket);
  bool close_the_most_idle();

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
  bool out_of_descriptors_ = false;
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
      self->out_of_descriptors_ = false;
      self->welcome(std::move(socket));
    } else if (error != asio::error::would_block && error != asio::error::connection_aborted &&
               self->acceptor_.is_open()) {
      // Out of descriptors or memory: the connection stays in the queue, and asking again at once
      // would spin at 100 % CPU.
      if (!std::exchange(self->out_of_descriptors_, true)) {
        self->log_.error("http_accept_failed", {{"error", error.message()}});
      }
      self->close_the_most_idle();
      self->pause_.expires_after(accept_pause);
      co_await self->pause_.async_wait(as_result);
    }
  }
}

void HttpServer::Core::welcome(tcp::socket socket) {
  if (sessions_.size() >= limits_.connections_max && !close_the_most_idle()) {
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

bool HttpServer::Core::close_the_most_idle() {
  HttpSession* idlest = nullptr;
  for (HttpSession* session : sessions_) {
    if (session->idle_since() &&
        (idlest == nullptr || *session->idle_since() < *idlest->idle_since())) {
      idlest = session;
    }
  }
  if (idlest == nullptr) {
    return false;
  }
  sessions_.erase(idlest);
  idlest->close();
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

void HttpServer::Core::answered(const ApiRequest& request, const ApiResponse& response,
                                const std::string& request_id, const std::string& client,
                                rules::Duration taken) {
  const bool refused = response.status >= 400;
  meter_.answered(response.route.first, response.route.second, response.status);
  if (refused) {
    meter_.count(Count::http_errors);
  }
  meter_.observe(Timing::http_request, rules::in_seconds(taken));
  log_.write(refused ? LogLevel::info : LogLevel::debug, "http_request",
             {{"request_id", request_id},
              {"method", request.method},
              {"path", request.path},
              {"status", std::int64_t{response.status}},
              {"duration_us", std::int64_t{taken.count()}},
              {"client", client}});
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
