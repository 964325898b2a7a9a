#pragma once

#include <cstdint>
#include <span>

#include "rules/time.hpp"

namespace rollbackd::rules {

// Durations in log-linear bins, HdrHistogram's scheme (G. Tene, https://hdrhistogram.org): every
// power of two of seconds is cut into 32 equal parts, from 2^-14 s (61 us) to 2^12 s (68 min). The
// middle of its bin stands for a duration, so that it is off by 1/64 (1.6 %) at most. A bin holds
// its upper edge and not its lower one: whole seconds are edges, and a threshold that is an edge is
// compared without any error. The first bin holds what is shorter, the last what is longer; those
// two are told as the edge next to them.
using DurationBin = std::uint16_t;

inline constexpr int duration_bin_parts = 32;
inline constexpr int duration_bin_octaves = 26;
inline constexpr int duration_bin_first_octave = -14;
inline constexpr DurationBin duration_bins = duration_bin_octaves * duration_bin_parts + 2;

// Durations are slices of this long in the windows (response_times.hpp).
inline constexpr Second duration_slice = 10;

// The edges between the bins in milliseconds, ascending, duration_bins - 1 of them: bin b holds
// (edge b - 1, edge b]. All are exact in binary. SQL sorts by this very list.
std::span<const double> duration_bin_edges_ms();

// REQUIRES: milliseconds is 0 or more, and finite.
DurationBin duration_bin_of(double milliseconds);

// What is told for a duration of this bin.
double duration_bin_seconds(DurationBin bin);

}  // namespace rollbackd::rules
