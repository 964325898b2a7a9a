#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "engine/ports.hpp"
#include "engine/steady_time.hpp"

namespace rollbackd::engine {

// The wall clock, for log lines, screens and the age of what Discord signed: nothing else is
// decided by it.
rules::Instant wall_now();

// The database's time, kept by the steady clock between two measurements. Any thread.
class DatabaseTime final : public Clock {
 public:
  // Never less than it was, except that a database whose clock was set back is followed at once.
  [[nodiscard]] rules::Instant now() const override;

  // The database said `told` between the two moments. The narrower they are, the better it is
  // known.
  void measured(rules::Instant told, SteadyTime asked, SteadyTime answered);

 private:
  std::atomic<std::int64_t> offset_us_{0};  // database minus steady
  std::atomic<std::int64_t> width_us_{INT64_MAX};
  std::atomic<std::int64_t> measured_at_us_{0};
};

}  // namespace rollbackd::engine
