#pragma once

#include <chrono>

namespace rollbackd::engine {

// A moment of this machine's steady clock, for time-outs and durations. Its own type, so that it is
// never mixed up with the database's time.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::microseconds>;

// In clock.cpp, the only place that reads the machine's clocks.
SteadyTime steady_now();

}  // namespace rollbackd::engine
