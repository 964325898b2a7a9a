#include "tests/torture/http_link.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace rollbackd::tests::torture {
namespace {

constexpr timeval patience{5, 0};
// Requests on their way at once: the answers have to fit into the socket's buffers.
constexpr std::size_t ahead_max = 32;

}  // namespace

HttpLink::HttpLink(std::uint16_t port) : socket_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  // What is wrong shows with the first request.
  static_cast<void>(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

HttpLink::~HttpLink() { close(socket_); }

bool HttpLink::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool HttpLink::fill() {
  std::array<char, 65536> bytes{};
  const ssize_t size = recv(socket_, bytes.data(), bytes.size(), 0);
  if (size > 0) {
    received_.append(bytes.data(), static_cast<std::size_t>(size));
  }
  return size > 0;
}

std::optional<HttpLink::Answer> HttpLink::receive() {
  std::size_t head = 0;
  while ((head = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) {
      return std::nullopt;
    }
  }
  static constexpr std::string_view length_field = "Content-Length: ";
  const std::size_t at = received_.find(length_field);
  if (at == std::string::npos || at > head || received_.size() < 12) {
    return std::nullopt;
  }
  const std::size_t length = std::stoul(received_.substr(at + length_field.size()));
  while (received_.size() < head + 4 + length) {
    if (!fill()) {
      return std::nullopt;
    }
  }
  Answer answer{std::stoi(received_.substr(9, 3)), received_.substr(head + 4, length)};
  received_.erase(0, head + 4 + length);
  return answer;
}

std::optional<std::vector<HttpLink::Answer>> HttpLink::ask(
    const std::vector<std::string>& requests) {
  std::vector<Answer> answers;
  for (std::size_t begin = 0; begin < requests.size(); begin += ahead_max) {
    const std::size_t end = std::min(begin + ahead_max, requests.size());
    std::string bytes;
    for (std::size_t i = begin; i < end; ++i) {
      bytes += requests[i];
    }
    if (!send(bytes)) {
      return std::nullopt;
    }
    for (std::size_t i = begin; i < end; ++i) {
      auto answer = receive();
      if (!answer) {
        return std::nullopt;
      }
      answers.push_back(std::move(*answer));
    }
  }
  return answers;
}

}  // namespace rollbackd::tests::torture
