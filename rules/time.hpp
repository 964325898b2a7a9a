#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace rollbackd::rules {

// The database's time in UTC. It has no now(): rules are told the time, so trying to read a clock
// here does not compile.
struct DatabaseClock {
  using duration = std::chrono::microseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<DatabaseClock>;
  static constexpr bool is_steady = false;
};

using Duration = std::chrono::microseconds;
using Instant = DatabaseClock::time_point;  // microseconds since 1970-01-01 UTC
using Second = std::int64_t;                // whole seconds since 1970-01-01 UTC
using std::chrono::minutes;
using std::chrono::seconds;

// PostgreSQL's date_trunc('second', t), also before 1970.
constexpr Second second_of(Instant t) {
  return std::chrono::floor<seconds>(t.time_since_epoch()).count();
}

constexpr Instant instant_of(Second s) { return Instant{seconds{s}}; }

constexpr double in_seconds(Duration d) { return static_cast<double>(d.count()) / 1e6; }

}  // namespace rollbackd::rules
