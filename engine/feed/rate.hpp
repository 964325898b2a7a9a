#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/clock.hpp"

namespace rollbackd::engine {

// How many of something a second, over the last `span`, in tenths of it.
class Rate {
 public:
  explicit Rate(rules::Duration span) : slot_{span / slots} {}

  void add(std::uint64_t n, SteadyTime at) {
    move_to(at);
    counts_[static_cast<std::size_t>(now_ % slots)] += n;
  }

  [[nodiscard]] double per_second(SteadyTime at) {
    move_to(at);
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts_) {
      sum += count;
    }
    return static_cast<double>(sum) / rules::in_seconds(slot_ * slots);
  }

 private:
  static constexpr std::int64_t slots = 10;

  void move_to(SteadyTime at) {
    const std::int64_t slot = at.time_since_epoch() / slot_;
    if (slot - now_ >= slots) {
      counts_.fill(0);
    } else {
      for (std::int64_t i = now_ + 1; i <= slot; ++i) {
        counts_[static_cast<std::size_t>(i % slots)] = 0;
      }
    }
    now_ = slot > now_ ? slot : now_;
  }

  rules::Duration slot_;
  std::int64_t now_ = 0;
  std::array<std::uint64_t, slots> counts_{};
};

}  // namespace rollbackd::engine
