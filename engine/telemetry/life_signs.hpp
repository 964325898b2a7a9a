#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "engine/steady_time.hpp"
#include "engine/telemetry/supervisor.hpp"

namespace rollbackd::engine {

// What the service manager hears of a daemon that runs: that it is alive, how it is, and while it
// stops, that it is still at it. One thread.
class LifeSigns {
 public:
  explicit LifeSigns(Supervisor supervisor) : supervisor_{std::move(supervisor)} {}

  // Called by the loop, several times a second. `progresses`: what the loop is there for gets done;
  // only then the watchdog is fed, twice within its interval. `status` gives one line for people
  // and is asked once a second.
  void turn(SteadyTime now, bool progresses, const std::function<std::string()>& status);

  void ready(const std::string& status);
  // Before the configuration is read anew; ready() ends it.
  void reloading(SteadyTime now) const { supervisor_.reloading(now); }
  // From now on each turn asks for time: what is waited for may take longer than the unit allows.
  void stopping(SteadyTime now, const std::string& status);

 private:
  // A stop is given so much more time at once.
  static constexpr std::chrono::microseconds extension = std::chrono::seconds{30};

  Supervisor supervisor_;
  std::string told_;
  SteadyTime asked_{};
  bool stopping_ = false;
  std::optional<SteadyTime> fed_;
  SteadyTime extended_{};
};

}  // namespace rollbackd::engine
