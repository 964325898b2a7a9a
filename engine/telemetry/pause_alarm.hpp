#pragma once

#include <optional>

#include "engine/clock.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Shouts while something keeps rollbacks from happening: a pause or an open breaker is told when it
// begins, again every minute and when it ends, and is on the metrics meanwhile. One thread.
class PauseAlarm {
 public:
  static constexpr rules::Duration again_every = rules::minutes{1};

  PauseAlarm(Log& log, Meter& meter) : log_{log}, meter_{meter} {}

  void see(const rules::ControlRead& control, SteadyTime now);

 private:
  Log& log_;
  Meter& meter_;
  bool paused_ = false;
  std::size_t breakers_ = 0;
  std::optional<SteadyTime> told_;
};

}  // namespace rollbackd::engine
