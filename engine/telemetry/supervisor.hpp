#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "engine/steady_time.hpp"

namespace rollbackd::engine {

// Tells the service manager (systemd) how we are: its sd_notify protocol, one datagram per message,
// without its library. Where there is no manager nothing happens. Any thread; never blocks: a
// manager that does not read loses messages.
class Supervisor {
 public:
  // From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. The variables stay; commands that we run
  // never see them.
  static Supervisor of_environment();

  // `socket`: a path, or '@' and an abstract name; empty: nobody listens.
  explicit Supervisor(std::string socket,
                      std::optional<std::chrono::microseconds> watchdog = std::nullopt);

  [[nodiscard]] bool is_there() const { return !socket_.empty(); }

  // How often watchdog() has to be called at least; half of it is a good rhythm. Nothing: never.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval() const {
    return watchdog_;
  }

  // `status` is one line for people.
  void ready(std::string_view status) const;
  void status(std::string_view status) const;
  void stopping(std::string_view status) const;
  // Until the next ready(). `now`: of the monotonic clock.
  void reloading(SteadyTime now) const;
  // While starting or stopping: it may take so much longer, from now.
  void extend(std::chrono::microseconds by) const;
  void watchdog() const;

 private:
  void send(const std::string& message) const;

  std::string socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace rollbackd::engine
