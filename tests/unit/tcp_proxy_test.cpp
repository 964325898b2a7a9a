#include "tests/support/tcp_proxy.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/http_stub.hpp"
#include "tests/support/raw_http.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

const std::string request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
constexpr std::chrono::milliseconds a_while{100};

bool is_refused(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool refused =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno == ECONNREFUSED;
  close(fd);
  return refused;
}

struct Link {
  Link() { server.otherwise({200, "hello"}); }

  HttpStub server;
  TcpProxy proxy{server.port()};
};

}  // namespace

TEST_CASE("a healthy link passes both ways, any number of connections") {
  Link link;
  RawConnection first{link.proxy.port()};
  RawConnection second{link.proxy.port()};
  for (RawConnection* connection : {&first, &second, &first}) {
    CHECK(connection->send(request));
    CHECK(body_of(connection->receive()) == "hello");
  }
  CHECK(link.proxy.connections() == 2);
  CHECK(link.proxy.accepted() == 2);
}

TEST_CASE("a megabyte passes whole") {
  Link link;
  link.server.otherwise({200, std::string(1'000'000, 'x')});
  RawConnection connection{link.proxy.port()};
  CHECK(connection.send(request));
  CHECK(body_of(connection.receive()).size() == 1'000'000);
}

TEST_CASE("a stalled link is silent, for old and new connections, and late afterwards") {
  Link link;
  RawConnection old{link.proxy.port()};
  CHECK(old.send(request));
  CHECK(body_of(old.receive()) == "hello");
  link.proxy.stall();
  RawConnection fresh{link.proxy.port()};
  CHECK(old.send(request));
  CHECK(fresh.send(request));
  CHECK_FALSE(old.hears_within(a_while));
  CHECK_FALSE(fresh.hears_within(a_while));
  CHECK(link.server.requests().size() == 1);
  link.proxy.heal();
  CHECK(body_of(old.receive()) == "hello");
  CHECK(body_of(fresh.receive()) == "hello");
}

TEST_CASE("stalled one way, the other way passes; stalled for the existing, new ones pass") {
  Link link;
  RawConnection old{link.proxy.port()};
  CHECK(old.send(request));
  CHECK(body_of(old.receive()) == "hello");
  link.proxy.stall(TcpProxy::Direction::to_client, TcpProxy::Scope::existing);
  CHECK(old.send(request));
  CHECK(link.server.wait_for_requests(2));
  CHECK_FALSE(old.hears_within(a_while));
  RawConnection fresh{link.proxy.port()};
  CHECK(fresh.send(request));
  CHECK(body_of(fresh.receive()) == "hello");
}

TEST_CASE("a link is cut, reset, or refuses, and is well again on the same port") {
  Link link;
  for (const bool orderly : {true, false}) {
    RawConnection connection{link.proxy.port()};
    CHECK(connection.send(request));
    CHECK(body_of(connection.receive()) == "hello");
    orderly ? link.proxy.cut() : link.proxy.reset();
    CHECK(connection.receive().empty());
    CHECK(link.proxy.connections() == 0);
  }
  link.proxy.refuse();
  CHECK(is_refused(link.proxy.port()));
  link.proxy.heal();
  RawConnection connection{link.proxy.port()};
  CHECK(connection.send(request));
  CHECK(body_of(connection.receive()) == "hello");
}

TEST_CASE("a link is cut in the middle of an answer, once") {
  Link link;
  link.proxy.cut_after(20, TcpProxy::Direction::to_client);
  RawConnection connection{link.proxy.port()};
  CHECK(connection.send(request));
  CHECK(connection.receive_all().size() == 20);
  RawConnection next{link.proxy.port()};
  CHECK(next.send(request));
  CHECK(body_of(next.receive()) == "hello");
}

TEST_CASE("a server that is not there is a reset, and its end reaches the client") {
  const ClosedPort nobody;
  TcpProxy proxy{nobody.port()};
  RawConnection connection{proxy.port()};
  CHECK(connection.receive().empty());
}
