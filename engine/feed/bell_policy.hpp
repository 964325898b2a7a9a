#pragma once

#include <cstdint>
#include <optional>

#include "engine/clock.hpp"

namespace rollbackd::engine {

// What the bell does at this moment, to us and to the writers.
struct BellMeasurements {
  double bells_per_second = 0;     // heard lately: commits that rang, or somebody's forgeries
  double events_per_second = 0;    // found by the looks lately
  rules::Duration commit_latency;  // of our own commits
  double queue_usage_ratio = 0;    // of the server's queue of notifications, 0 to 1
  std::uint64_t lock_waiters = 0;  // sessions that wait for the lock of NOTIFY
};

enum class BellReason { calm, commits, bells, queue, waiters };

// Decides when the bell has to be silent and when it may ring again. A commit that rings holds a
// lock of the whole server until its WAL is flushed, so commits that ring follow one another: with
// r of them a second and a flush of f seconds the lock is held for r x f of the time, and at 1 the
// server takes no more. Knows no clock and no database.
class BellPolicy {
 public:
  // Whether it may ring from now on.
  bool may_ring(const BellMeasurements& now, SteadyTime at);
  // Why it is as it is.
  [[nodiscard]] BellReason reason() const { return reason_; }

 private:
  [[nodiscard]] static BellReason harm(const BellMeasurements& now);
  [[nodiscard]] static bool is_calm(const BellMeasurements& now);

  bool ringing_ = true;
  BellReason reason_ = BellReason::calm;
  std::optional<SteadyTime> calm_since_;
  std::optional<SteadyTime> rang_since_;  // after a silence
  rules::Duration patience_{0};           // how long it has to be calm
};

}  // namespace rollbackd::engine
