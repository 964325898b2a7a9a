#include "rules/duration_bin.hpp"

#include <algorithm>
#include <array>

#include "rules/invariant.hpp"

namespace rollbackd::rules {
namespace {

constexpr std::size_t edges_count = duration_bins - 1;

constexpr std::array<double, edges_count> make_edges() {
  std::array<double, edges_count> edges{};
  double octave_ms = 1000.0;
  for (int e = 0; e > duration_bin_first_octave; --e) {
    octave_ms /= 2;
  }
  std::size_t next = 0;
  for (int octave = 0; octave < duration_bin_octaves; ++octave) {
    for (int part = 0; part < duration_bin_parts; ++part) {
      edges.at(next++) = octave_ms * (1.0 + part / static_cast<double>(duration_bin_parts));
    }
    octave_ms *= 2;
  }
  edges.at(next) = octave_ms;
  return edges;
}

constexpr auto edges = make_edges();

static_assert(edges.back() == 4'096'000);

}  // namespace

std::span<const double> duration_bin_edges_ms() { return edges; }

DurationBin duration_bin_of(double milliseconds) {
  INVARIANT(milliseconds >= 0);
  return static_cast<DurationBin>(std::lower_bound(edges.begin(), edges.end(), milliseconds) -
                                  edges.begin());
}

double duration_bin_seconds(DurationBin bin) {
  INVARIANT(bin < duration_bins);
  if (bin == 0) {
    return edges.front() / 1000;
  }
  if (bin == duration_bins - 1) {
    return edges.back() / 1000;
  }
  return (edges.at(bin - 1U) + edges.at(bin)) / 2000;
}

}  // namespace rollbackd::rules
