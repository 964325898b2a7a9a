#include "tests/support/raw_http.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <cerrno>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <utility>

#include "tests/support/exchanges.hpp"

namespace rollbackd::tests {
namespace {

constexpr timeval patience{30, 0};

std::string lowered(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// Also programs without doctest link this.
void require(bool holds, const char* what) {
  if (!holds) {
    throw std::runtime_error{what};
  }
}

}  // namespace

RawConnection::RawConnection(std::uint16_t port)
    : RawConnection{socket(AF_INET, SOCK_STREAM, 0), port} {}

RawConnection::RawConnection(int descriptor, std::uint16_t port) : descriptor_{descriptor} {
  require(descriptor_ >= 0, "no socket");
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  require(connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
          "nobody listens");
}

RawConnection::~RawConnection() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

RawConnection::RawConnection(RawConnection&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)}, buffer_{std::move(other.buffer_)} {}

bool RawConnection::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void RawConnection::finish() const { shutdown(descriptor_, SHUT_WR); }

bool RawConnection::fill() {
  char chunk[4096];
  const auto got = recv(descriptor_, chunk, sizeof chunk, 0);
  const bool waited_in_vain = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  require(!waited_in_vain, "no answer within 30 s");
  if (got <= 0) {
    return false;
  }
  buffer_.append(chunk, static_cast<std::size_t>(got));
  return true;
}

bool RawConnection::hears_within(std::chrono::milliseconds time) const {
  pollfd waiting{descriptor_, POLLIN, 0};
  return poll(&waiting, 1, static_cast<int>(time.count())) > 0;
}

std::string RawConnection::receive(bool to_head) {
  std::size_t end = std::string::npos;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) {
      return {};
    }
  }
  const std::string length = field_of(buffer_, "content-length");
  const std::size_t whole =
      end + 4 + (to_head || length.empty() ? 0 : static_cast<std::size_t>(std::stoul(length)));
  while (buffer_.size() < whole) {
    if (!fill()) {
      return {};
    }
  }
  std::string answer = buffer_.substr(0, whole);
  buffer_.erase(0, whole);
  return answer;
}

std::string RawConnection::receive_all() {
  while (fill()) {
  }
  return std::exchange(buffer_, {});
}

std::string talk(std::uint16_t port, std::string_view bytes) {
  RawConnection connection{port};
  connection.send(bytes);
  std::string answer = connection.receive_all();
  record_raw_exchange(bytes, answer);
  return answer;
}

int status_of(std::string_view answer) {
  return answer.starts_with("HTTP/1.") && answer.size() > 12
             ? std::stoi(std::string{answer.substr(9, 3)})
             : 0;
}

std::string field_of(std::string_view answer, std::string_view name) {
  const std::string head{answer.substr(0, answer.find("\r\n\r\n"))};
  const std::size_t at = lowered(head).find("\r\n" + lowered(name) + ": ");
  if (at == std::string::npos) {
    return {};
  }
  const std::size_t begin = at + 2 + name.size() + 2;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

std::string body_of(std::string_view answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string_view::npos ? "" : std::string{answer.substr(end + 4)};
}

}  // namespace rollbackd::tests
