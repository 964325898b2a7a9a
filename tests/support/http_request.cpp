#include "tests/support/http_request.hpp"

#include <arpa/inet.h>
#include <cstdlib>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/exchanges.hpp"

namespace rollbackd::tests {
namespace {

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    throw std::runtime_error{"cannot connect to port " + std::to_string(port)};
  }
  return fd;
}

}  // namespace

HttpAnswer http_request(int port, const std::string& method, const std::string& path,
                        const std::string& body, const std::string& token,
                        const std::string& fields) {
  const int fd = connect_to(port);
  std::string request =
      method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + fields;
  if (!token.empty()) {
    request += "Authorization: Bearer " + token + "\r\n";
  }
  request += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  static_cast<void>(::send(fd, request.data(), request.size(), MSG_NOSIGNAL));
  std::string raw;
  char buffer[8192];
  for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    raw.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  const auto end = raw.find("\r\n\r\n");
  if (raw.size() < 12 || end == std::string::npos) {
    throw std::runtime_error{"no answer to " + method + " " + path};
  }
  HttpAnswer answer{std::atoi(raw.c_str() + 9), raw.substr(0, end), raw.substr(end + 4)};
  record_exchange(method, path, !token.empty(), body, answer);
  return answer;
}

}  // namespace rollbackd::tests
