#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

// HTTP as bytes on a socket, for requests that no client library would send.
namespace rollbackd::tests {

// A connection to a port of this machine. Every wait ends after half a minute.
class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port);
  // From a socket made before, for when there is no descriptor left to make one.
  RawConnection(int descriptor, std::uint16_t port);
  ~RawConnection();
  RawConnection(RawConnection&& other) noexcept;
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  // False: the other side has closed the connection.
  bool send(std::string_view bytes) const;
  // Nothing more will be sent.
  void finish() const;

  // Whether anything has come, or the end, before this much time has passed.
  [[nodiscard]] bool hears_within(std::chrono::milliseconds time) const;

  // One answer by its Content-Length (`to_head`: without a body); empty: the connection was closed.
  std::string receive(bool to_head = false);
  // Everything until the other side closes; fails the test when it does not.
  std::string receive_all();

 private:
  bool fill();

  int descriptor_ = -1;
  std::string buffer_;
};

// Sends the bytes on a connection of its own and gives everything that comes back until it is
// closed.
std::string talk(std::uint16_t port, std::string_view bytes);

// 200 of "HTTP/1.1 200 OK…"; 0: no answer.
int status_of(std::string_view answer);

// The value of a header field; empty: there is none.
std::string field_of(std::string_view answer, std::string_view name);

std::string body_of(std::string_view answer);

}  // namespace rollbackd::tests
