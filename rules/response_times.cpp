#include "rules/response_times.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

#include "rules/invariant.hpp"
#include "rules/limits.hpp"

namespace rollbackd::rules {
namespace {

constexpr std::int64_t slice_of(Second at) {
  return (at >= 0 ? at : at - duration_slice + 1) / duration_slice;
}

}  // namespace

ResponseTimes::ResponseTimes(std::vector<Second> lengths) : lengths_{std::move(lengths)} {
  std::sort(lengths_.begin(), lengths_.end());
  lengths_.erase(std::unique(lengths_.begin(), lengths_.end()), lengths_.end());
  INVARIANT(!lengths_.empty());
  INVARIANT(lengths_.front() >= 1 && lengths_.back() <= limits::window_max);
}

// The slice of the window's first second.
std::int64_t ResponseTimes::first_slice(Second length, Second now) const {
  return slice_of(now - length + 1);
}

void ResponseTimes::increase(Totals& totals, DurationBin bin, std::uint64_t n) {
  const auto place = std::lower_bound(
      totals.bins.begin(), totals.bins.end(), bin,
      [](const BinCount& known, DurationBin wanted) { return known.bin < wanted; });
  if (place != totals.bins.end() && place->bin == bin) {
    place->count += n;
  } else {
    totals.bins.insert(place, {bin, n});
  }
  totals.all += n;
}

void ResponseTimes::decrease(Totals& totals, DurationBin bin, std::uint64_t n) {
  const auto place = std::lower_bound(
      totals.bins.begin(), totals.bins.end(), bin,
      [](const BinCount& known, DurationBin wanted) { return known.bin < wanted; });
  INVARIANT(place != totals.bins.end() && place->bin == bin && place->count >= n);
  place->count -= n;
  if (place->count == 0) {
    totals.bins.erase(place);
  }
  totals.all -= n;
}

void ResponseTimes::add(const DeploymentId& deployment, const DurationCell& cell) {
  if (cell.count == 0 || cell.slice < first_slice(lengths_.back(), now_)) {
    return;
  }
  const std::int64_t last = slice_of(now_ + limits::ahead_max);
  const auto known = series_.find(deployment);
  const bool is_full = cells_ >= limits::duration_cells_max;
  if (cell.slice > last || (is_full && known == series_.end())) {
    dropped_ += cell.count;
    return;
  }
  const auto slice = static_cast<std::int32_t>(cell.slice);
  Series& series = known == series_.end() ? series_[deployment] : known->second;
  series.totals.resize(lengths_.size());
  auto place = std::lower_bound(
      series.cells.begin(), series.cells.end(), cell, [](const Cell& a, const DurationCell& b) {
        return std::tuple{std::int64_t{a.slice}, a.bin} < std::tuple{b.slice, b.bin};
      });
  const bool is_new =
      place == series.cells.end() || place->slice != slice || place->bin != cell.bin;
  const std::uint64_t room =
      std::numeric_limits<std::uint32_t>::max() - (is_new ? 0 : place->count);
  if ((is_new && is_full) || cell.count > room) {
    dropped_ += cell.count;
    return;
  }
  if (is_new) {
    place = series.cells.insert(place, {slice, cell.bin, 0});
    ++cells_;
  }
  place->count += static_cast<std::uint32_t>(cell.count);
  for (std::size_t i = 0; i < lengths_.size(); ++i) {
    if (cell.slice >= first_slice(lengths_[i], now_)) {
      increase(series.totals[i], cell.bin, cell.count);
    }
  }
}

void ResponseTimes::advance(Second now) {
  if (now <= now_) {
    return;
  }
  const bool any_leaves = std::any_of(lengths_.begin(), lengths_.end(), [&](Second length) {
    return first_slice(length, now) != first_slice(length, now_);
  });
  for (auto it = series_.begin(); any_leaves && it != series_.end();) {
    expire(it->second, now);
    it = it->second.cells.empty() ? series_.erase(it) : std::next(it);
  }
  now_ = now;
}

void ResponseTimes::expire(Series& series, Second now) {
  const auto begins = [&](std::int64_t slice) {
    return std::lower_bound(series.cells.begin(), series.cells.end(), slice,
                            [](const Cell& c, std::int64_t wanted) { return c.slice < wanted; });
  };
  for (std::size_t i = 0; i < lengths_.size(); ++i) {
    const auto end = begins(first_slice(lengths_[i], now));
    for (auto cell = begins(first_slice(lengths_[i], now_)); cell < end; ++cell) {
      decrease(series.totals[i], cell->bin, cell->count);
    }
  }
  const auto kept = begins(first_slice(lengths_.back(), now));
  cells_ -= static_cast<std::size_t>(kept - series.cells.begin());
  series.cells.erase(series.cells.begin(), kept);
}

void ResponseTimes::clear() {
  series_.clear();
  cells_ = 0;
}

// Of n durations the one with rank ceil(0.95 n): from the longest down, one more than n / 20.
std::optional<double> ResponseTimes::p95(const DeploymentId& deployment, Second length) const {
  const auto place = std::lower_bound(lengths_.begin(), lengths_.end(), length);
  INVARIANT(place != lengths_.end() && *place == length);
  const auto series = series_.find(deployment);
  if (series == series_.end()) {
    return std::nullopt;
  }
  const Totals& totals = series->second.totals[static_cast<std::size_t>(place - lengths_.begin())];
  std::uint64_t above = 0;
  for (auto bin = totals.bins.rbegin(); bin != totals.bins.rend(); ++bin) {
    above += bin->count;
    if (above > totals.all / 20) {
      return duration_bin_seconds(bin->bin);
    }
  }
  return std::nullopt;
}

}  // namespace rollbackd::rules
