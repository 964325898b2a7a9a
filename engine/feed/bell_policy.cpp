#include "engine/feed/bell_policy.hpp"

#include <algorithm>

namespace rollbackd::engine {
namespace {

// The part of the time for which the lock of NOTIFY may be held for our bells. Between the two the
// bell stays as it is.
constexpr double held_max = 0.3;
constexpr double held_calm = 0.1;
// Fewer bells than this a second are no storm.
constexpr double bells_least = 200;
// However fast the disk: each bell wakes us and costs the writer some microseconds.
constexpr double bells_max = 1000;
constexpr double bells_calm = 100;
constexpr double events_calm = 100;
// A full queue fails everybody's commits.
constexpr double queue_max = 0.05;
constexpr double queue_calm = 0.02;
// One may be waiting by chance, and counts only where the lock is held much. Where nobody waits,
// nobody is harmed: it is one client that commits one row after the other.
constexpr std::uint64_t waiters_max = 2;

// How long it has to be calm before the bell rings again, doubled each time a storm comes back
// soon.
constexpr rules::Duration patience_first = rules::seconds{1};
constexpr rules::Duration patience_longest = rules::seconds{30};
constexpr rules::Duration soon = rules::seconds{10};

double held(double per_second, rules::Duration latency) {
  return per_second * rules::in_seconds(latency);
}

}  // namespace

BellReason BellPolicy::harm(const BellMeasurements& now) {
  if (now.queue_usage_ratio > queue_max) {
    return BellReason::queue;
  }
  if (now.lock_waiters >= waiters_max) {
    return BellReason::waiters;
  }
  if (now.lock_waiters > 0 && now.bells_per_second >= bells_least &&
      held(now.bells_per_second, now.commit_latency) > held_max) {
    return BellReason::commits;
  }
  return now.bells_per_second > bells_max ? BellReason::bells : BellReason::calm;
}

// While silent, commits are not counted, events are: a bulk load looks like many commits, and the
// bell comes back a little later than it could.
bool BellPolicy::is_calm(const BellMeasurements& now) {
  return now.queue_usage_ratio <= queue_calm && now.lock_waiters == 0 &&
         now.bells_per_second <= bells_calm && now.events_per_second <= events_calm &&
         held(now.events_per_second, now.commit_latency) <= held_calm;
}

bool BellPolicy::may_ring(const BellMeasurements& now, SteadyTime at) {
  if (ringing_) {
    const BellReason why = harm(now);
    if (why == BellReason::calm) {
      return true;
    }
    const bool came_back_soon = rang_since_ && at - *rang_since_ < soon;
    patience_ = came_back_soon ? std::min(patience_longest, patience_ * 2) : patience_first;
    reason_ = why;
    ringing_ = false;
    calm_since_.reset();
    return false;
  }
  if (!is_calm(now)) {
    calm_since_.reset();
    return false;
  }
  calm_since_ = calm_since_.value_or(at);
  if (at - *calm_since_ < patience_) {
    return false;
  }
  ringing_ = true;
  reason_ = BellReason::calm;
  rang_since_ = at;
  return true;
}

}  // namespace rollbackd::engine
