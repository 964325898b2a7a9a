#include "engine/telemetry/supervisor.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace rollbackd::engine {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end && value > 0 ? std::optional{value} : std::nullopt;
}

// Lines are the protocol's: a line break in a text would begin another assignment.
std::string assignment(std::string_view name, std::string_view text) {
  std::string line{name};
  for (const char c : text) {
    line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  return line;
}

}  // namespace

Supervisor Supervisor::of_environment() {
  std::optional<std::chrono::microseconds> watchdog;
  const auto interval = number(variable("WATCHDOG_USEC"));
  const std::string pid = variable("WATCHDOG_PID");  // absent: it is meant for whoever reads it
  if (interval && (pid.empty() || pid == std::to_string(getpid()))) {
    watchdog = std::chrono::microseconds{*interval};
  }
  return Supervisor{variable("NOTIFY_SOCKET"), watchdog};
}

Supervisor::Supervisor(std::string socket, std::optional<std::chrono::microseconds> watchdog)
    : socket_{std::move(socket)}, watchdog_{watchdog} {}

void Supervisor::ready(std::string_view status) const {
  send("READY=1\n" + assignment("STATUS=", status));
}

void Supervisor::status(std::string_view status) const { send(assignment("STATUS=", status)); }

void Supervisor::stopping(std::string_view status) const {
  send("STOPPING=1\n" + assignment("STATUS=", status));
}

void Supervisor::reloading(SteadyTime now) const {
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.time_since_epoch().count()));
}

void Supervisor::extend(std::chrono::microseconds by) const {
  send("EXTEND_TIMEOUT_USEC=" + std::to_string(by.count()));
}

void Supervisor::watchdog() const { send("WATCHDOG=1"); }

void Supervisor::send(const std::string& message) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.empty() || (socket_.front() != '/' && socket_.front() != '@') ||
      socket_.size() >= sizeof address.sun_path) {
    return;
  }
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  std::size_t length = offsetof(sockaddr_un, sun_path) + socket_.size() + 1;
  if (socket_.front() == '@') {
    address.sun_path[0] = '\0';
    --length;  // an abstract name has no end but its length
  }
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    return;
  }
  sendto(fd, message.data(), message.size(), MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(length));
  close(fd);
}

}  // namespace rollbackd::engine
