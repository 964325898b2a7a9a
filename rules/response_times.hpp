#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "rules/duration_bin.hpp"
#include "rules/ids.hpp"
#include "rules/time.hpp"

namespace rollbackd::rules {

// Durations of one slice of ten seconds and one bin.
struct DurationCell {
  std::int64_t slice = 0;  // which ten seconds since 1970: second / duration_slice, rounded down
  DurationBin bin = 0;
  std::uint64_t count = 0;
};

// Response times per deployment in sliding windows. At second t the N-second window holds every
// slice of ten seconds that has a second in (t - N, t + 60]: all durations of the last N seconds,
// and of at most nine seconds before. The percentile is exact of the bins, so that it is off by
// 1.6 % at most (duration_bin.hpp). Memory grows with the cells, not with the durations, up to
// limits::duration_cells_max; what does not fit is dropped and counted.
class ResponseTimes {
 public:
  // The lengths that can be asked for, in seconds, each 1 to limits::window_max.
  explicit ResponseTimes(std::vector<Second> lengths);

  // Cells of one deployment in ascending order of their slices come cheapest. Those older than the
  // longest window count nowhere.
  void add(const DeploymentId& deployment, const DurationCell& cell);

  // Moves to second `now`; never back.
  void advance(Second now);
  void clear();

  // The shortest time, in seconds, that at least 95 % of the deployment's durations in this window
  // do not exceed. `length` must be one of the constructor's. Nothing: there were none.
  [[nodiscard]] std::optional<double> p95(const DeploymentId& deployment, Second length) const;

  [[nodiscard]] std::size_t cells() const { return cells_; }
  // Durations for which there was no room, since the start.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  struct Cell {
    std::int32_t slice;
    DurationBin bin;
    std::uint32_t count;
  };
  struct BinCount {
    DurationBin bin;
    std::uint64_t count;
  };
  struct Totals {
    std::vector<BinCount> bins;  // ascending, none empty
    std::uint64_t all = 0;
  };
  struct Series {
    std::vector<Cell> cells;     // by (slice, bin)
    std::vector<Totals> totals;  // one per length
  };

  [[nodiscard]] std::int64_t first_slice(Second length, Second now) const;
  static void increase(Totals& totals, DurationBin bin, std::uint64_t n);
  static void decrease(Totals& totals, DurationBin bin, std::uint64_t n);
  void expire(Series& series, Second now);

  std::vector<Second> lengths_;  // ascending, distinct
  Second now_ = 0;
  std::unordered_map<DeploymentId, Series> series_;
  std::size_t cells_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace rollbackd::rules
