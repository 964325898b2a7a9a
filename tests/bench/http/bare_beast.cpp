// The HTTP server that ours is measured against: Beast and nothing else. It reads requests and
// sends what it was given, without looking at them, without limits, deadlines or a log.
//
//   bare_beast GET_BODY_FILE POST_BODY_FILE      prints its port

#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>

#include "engine/asio.hpp"
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace {

namespace asio = rollbackd::engine::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

struct Bodies {
  std::string get;
  std::string post;
};

std::string contents(const char* file) {
  std::ifstream in{file, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

asio::awaitable<void> serve(tcp::socket socket, const Bodies& bodies) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay{true}, ignored);
  boost::beast::flat_buffer buffer;
  bool alive = true;
  while (alive) {
    http::request<http::string_body> request;
    const auto [unread, bytes] = co_await http::async_read(socket, buffer, request, as_result);
    if (unread) {
      break;
    }
    http::response<http::string_body> response{http::status::ok, request.version()};
    response.set(http::field::content_type, "application/json");
    response.keep_alive(request.keep_alive());
    response.body() = request.method() == http::verb::post ? bodies.post : bodies.get;
    response.prepare_payload();
    const auto [unwritten, sent] = co_await http::async_write(socket, response, as_result);
    alive = !unwritten && request.keep_alive();
  }
}

asio::awaitable<void> accept_all(tcp::acceptor acceptor, const Bodies& bodies) {
  while (true) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), bodies), asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: bare_beast GET_BODY_FILE POST_BODY_FILE\n";
    return 2;
  }
  const Bodies bodies{contents(argv[1]), contents(argv[2])};
  asio::io_context reactor{1};
  tcp::acceptor acceptor{reactor, {asio::ip::make_address("127.0.0.1"), 0}};
  std::cout << acceptor.local_endpoint().port() << std::endl;
  asio::co_spawn(reactor, accept_all(std::move(acceptor), bodies), asio::detached);
  reactor.run();
}
