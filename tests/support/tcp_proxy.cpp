#include "tests/support/tcp_proxy.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace rollbackd::tests {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error{errno, std::generic_category(), what};
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int new_socket() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    fail("socket");
  }
  return fd;
}

// Several sockets may be bound to one port as long as only one of them listens.
int bound_to(std::uint16_t port) {
  const int fd = new_socket();
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const sockaddr_in address = loopback(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("bind");
  }
  return fd;
}

void send_at_once(int fd) {
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

// A socket that is closed with unread bytes sends a reset; in order means that it must not.
void close_in_order(int fd) {
  shutdown(fd, SHUT_RDWR);
  std::array<char, 65536> unread{};
  while (recv(fd, unread.data(), unread.size(), 0) > 0) {
  }
  close(fd);
}

void close_with_reset(int fd) {
  const linger no_time{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &no_time, sizeof no_time);
  close(fd);
}

}  // namespace

// One direction of one connection.
struct TcpProxy::Flow {
  int from = -1;
  int to = -1;
  bool stalled = false;
  bool ended = false;  // the sender has finished
  bool told = false;   // and the receiver knows
  std::size_t begin = 0;
  std::size_t end = 0;
  std::array<char, 65536> bytes{};

  [[nodiscard]] bool is_empty() const { return begin == end; }
  [[nodiscard]] bool wants_to_read() const { return !stalled && !ended && is_empty(); }
  [[nodiscard]] bool wants_to_write() const { return !stalled && !is_empty(); }

  // Moves what can be moved now, at most `limit` bytes, which it lowers. False: the connection is
  // broken.
  bool move(std::size_t& limit) {
    while (!stalled && limit > 0) {
      if (is_empty() && !ended) {
        const ssize_t size = recv(from, bytes.data(), bytes.size(), 0);
        if (size < 0) {
          return errno == EAGAIN;
        }
        ended = size == 0;
        begin = 0;
        end = static_cast<std::size_t>(size);
      }
      if (is_empty()) {
        if (!told) {
          told = true;
          shutdown(to, SHUT_WR);
        }
        return true;
      }
      const ssize_t sent =
          send(to, bytes.data() + begin, std::min(limit, end - begin), MSG_NOSIGNAL);
      if (sent < 0) {
        return errno == EAGAIN || errno == ENOTCONN;  // it is still being connected
      }
      begin += static_cast<std::size_t>(sent);
      limit -= static_cast<std::size_t>(sent);
    }
    return true;
  }
};

struct TcpProxy::Connection {
  Connection(int client, int server) {
    to_server.from = to_client.to = client;
    to_client.from = to_server.to = server;
  }

  void stall(Direction direction) {
    to_server.stalled = to_server.stalled || direction != Direction::to_client;
    to_client.stalled = to_client.stalled || direction != Direction::to_server;
  }

  void end(bool orderly) const {
    const auto how = orderly ? close_in_order : close_with_reset;
    how(to_server.from);
    how(to_server.to);
  }

  // Whether it goes on.
  bool move(std::optional<Cut>& cut) {
    for (Flow* flow : {&to_server, &to_client}) {
      const Direction direction = flow == &to_server ? Direction::to_server : Direction::to_client;
      const bool counts = cut && (cut->direction == Direction::both || cut->direction == direction);
      std::size_t no_limit = SIZE_MAX;
      if (!flow->move(counts ? cut->bytes : no_limit)) {
        end(false);
        return false;
      }
      if (counts && cut->bytes == 0) {
        cut.reset();
        end(true);
        return false;
      }
    }
    if (to_server.told && to_client.told) {
      end(true);
      return false;
    }
    return true;
  }

  Flow to_server;
  Flow to_client;
};

TcpProxy::TcpProxy(std::uint16_t server_port) : server_port_{server_port} {
  reserved_ = bound_to(0);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(reserved_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail("getsockname");
  }
  port_ = ntohs(address.sin_port);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  listen();
  thread_ = std::thread{[this] { run(); }};
}

TcpProxy::~TcpProxy() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  wake();
  thread_.join();
  end_all(true);
  for (const int fd : {listener_, reserved_, wake_}) {
    if (fd >= 0) {
      close(fd);
    }
  }
}

void TcpProxy::stall(Direction direction, Scope scope) {
  const std::lock_guard lock{mutex_};
  for (const auto& connection : connections_) {
    connection->stall(direction);
  }
  if (scope == Scope::existing_and_new) {
    stalls_new_ = direction;
  }
  wake();
}

void TcpProxy::refuse() {
  const std::lock_guard lock{mutex_};
  if (listener_ >= 0) {
    accept_all();                    // the system has accepted them already
    shutdown(listener_, SHUT_RDWR);  // a poll() that waits for it would keep it open
    close(listener_);
    listener_ = -1;
  }
  wake();
}

void TcpProxy::cut() {
  const std::lock_guard lock{mutex_};
  end_all(true);
}

void TcpProxy::reset() {
  const std::lock_guard lock{mutex_};
  end_all(false);
}

void TcpProxy::cut_after(std::size_t bytes, Direction direction) {
  const std::lock_guard lock{mutex_};
  cut_ = Cut{bytes, direction};
}

void TcpProxy::heal() {
  const std::lock_guard lock{mutex_};
  for (const auto& connection : connections_) {
    connection->to_server.stalled = false;
    connection->to_client.stalled = false;
  }
  stalls_new_.reset();
  cut_.reset();
  listen();
  wake();
}

std::size_t TcpProxy::connections() const {
  const std::lock_guard lock{mutex_};
  return connections_.size();
}

std::size_t TcpProxy::accepted() const {
  const std::lock_guard lock{mutex_};
  return accepted_;
}

void TcpProxy::listen() {
  if (listener_ >= 0) {
    return;
  }
  listener_ = bound_to(port_);
  if (::listen(listener_, 64) != 0) {
    fail("listen");
  }
}

void TcpProxy::wake() const { eventfd_write(wake_, 1); }

void TcpProxy::end_all(bool orderly) {
  for (const auto& connection : connections_) {
    connection->end(orderly);
  }
  connections_.clear();
  wake();
}

void TcpProxy::run() {
  while (true) {
    wait();
    const std::lock_guard lock{mutex_};
    if (stopping_) {
      return;
    }
    accept_all();
    std::erase_if(connections_, [this](const auto& connection) { return !connection->move(cut_); });
  }
}

// Until there may be something to do. Descriptors that nothing is wanted from are left out: a dead
// one would end the wait again and again.
void TcpProxy::wait() {
  std::vector<pollfd> watched{{wake_, POLLIN, 0}};
  {
    const std::lock_guard lock{mutex_};
    if (listener_ >= 0) {
      watched.push_back({listener_, POLLIN, 0});
    }
    for (const auto& connection : connections_) {
      for (const Flow* flow : {&connection->to_server, &connection->to_client}) {
        if (flow->wants_to_read()) {
          watched.push_back({flow->from, POLLIN, 0});
        } else if (flow->wants_to_write()) {
          watched.push_back({flow->to, POLLOUT, 0});
        }
      }
    }
  }
  poll(watched.data(), watched.size(), -1);
  eventfd_t woken = 0;
  eventfd_read(wake_, &woken);
}

void TcpProxy::accept_all() {
  while (listener_ >= 0) {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
      return;
    }
    const int server = new_socket();
    send_at_once(client);
    send_at_once(server);
    const sockaddr_in address = loopback(server_port_);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (connect(server, generic, sizeof address) != 0 && errno != EINPROGRESS) {
      close_with_reset(client);
      close(server);
      continue;
    }
    ++accepted_;
    connections_.push_back(std::make_unique<Connection>(client, server));
    if (stalls_new_) {
      connections_.back()->stall(*stalls_new_);
    }
  }
}

}  // namespace rollbackd::tests
