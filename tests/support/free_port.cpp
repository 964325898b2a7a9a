#include "tests/support/free_port.hpp"

#include <arpa/inet.h>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace rollbackd::tests {
namespace {

// Below the ports that Linux gives to whoever asks for any: between our look and its use nobody
// gets one of these by chance, however many connections other tests open meanwhile.
constexpr int port_least = 10'000;
constexpr int port_most = 32'000;
constexpr int tries_max = 1000;

bool is_free(int port) {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) {
    throw std::runtime_error{"no socket"};
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = bind(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(probe);
  return bound;
}

}  // namespace

int free_port() {
  std::random_device random;
  std::uniform_int_distribution<int> any{port_least, port_most};
  for (int i = 0; i < tries_max; ++i) {
    const int port = any(random);
    if (is_free(port)) {
      return port;
    }
  }
  throw std::runtime_error{"no free port"};
}

}  // namespace rollbackd::tests
