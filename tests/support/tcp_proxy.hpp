#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace rollbackd::tests {

// A link to a server on 127.0.0.1 that can be hurt: a TCP proxy on a free port of its own. Every
// call takes effect before it returns, and from any thread. Connections that are neither stalled
// nor cut go on through all of it.
class TcpProxy {
 public:
  enum class Direction { to_server, to_client, both };
  enum class Scope { existing, existing_and_new };

  explicit TcpProxy(std::uint16_t server_port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

  // Nothing comes through any more, and nobody is told: as a cable that was pulled. New connections
  // are accepted, as a machine accepts them whose program hangs.
  void stall(Direction direction = Direction::both, Scope scope = Scope::existing_and_new);
  // New connections are refused, existing ones go on.
  void refuse();
  // Ends all connections, in order (FIN) or not (RST).
  void cut();
  void reset();
  // Ends the connection that carries this byte, counted over all of them from now on, right behind
  // it. Once.
  void cut_after(std::size_t bytes, Direction direction);
  // All passes again; what was stalled arrives late but whole, and no cut is waiting any more.
  void heal();

  [[nodiscard]] std::size_t connections() const;
  // How many were ever accepted.
  [[nodiscard]] std::size_t accepted() const;

 private:
  struct Flow;
  struct Connection;

  void run();
  void wait();
  void accept_all();
  void end_all(bool orderly);
  void listen();
  void wake() const;

  std::uint16_t server_port_;
  std::uint16_t port_ = 0;
  int reserved_ = -1;  // bound and never listening: nobody else gets the port while it is refused
  int listener_ = -1;
  int wake_ = -1;
  mutable std::mutex mutex_;
  std::list<std::unique_ptr<Connection>> connections_;
  std::optional<Direction> stalls_new_;
  struct Cut {
    std::size_t bytes = 0;
    Direction direction = Direction::both;
  };
  std::optional<Cut> cut_;
  std::size_t accepted_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace rollbackd::tests
