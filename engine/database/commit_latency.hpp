#pragma once

#include <atomic>

#include "rules/time.hpp"

namespace rollbackd::engine {

// How long a commit of ours takes here, smoothed: the server's disk as a writer feels it. Any
// thread.
class CommitLatency {
 public:
  void measured(rules::Duration took) {
    const std::int64_t known = smoothed_us_.load();
    smoothed_us_.store(known == 0 ? took.count() : known + (took.count() - known) / weight);
  }

  // A millisecond until one was measured: about what a network disk takes.
  [[nodiscard]] rules::Duration get() const {
    const std::int64_t known = smoothed_us_.load();
    return rules::Duration{known == 0 ? 1000 : known};
  }

 private:
  static constexpr std::int64_t weight = 8;
  std::atomic<std::int64_t> smoothed_us_{0};
};

}  // namespace rollbackd::engine
