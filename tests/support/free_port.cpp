#include "tests/support/free_port.hpp"

#include <arpa/inet.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace rollbackd::tests {

int free_port() {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (probe < 0 || bind(probe, raw, size) != 0 || getsockname(probe, raw, &size) != 0) {
    throw std::runtime_error{"no free port"};
  }
  close(probe);
  return ntohs(address.sin_port);
}

}  // namespace rollbackd::tests
