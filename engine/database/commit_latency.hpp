#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <mutex>

#include "rules/time.hpp"

namespace rollbackd::engine {

// How long a commit takes on this server, as our own transactions show: the shortest of the last
// few, because each is also so much longer as its statements take. Any thread.
class CommitLatency {
 public:
  void measured(rules::Duration took) {
    const std::lock_guard lock{mutex_};
    last_[next_] = took;
    next_ = (next_ + 1) % last_.size();
    known_ = std::min(known_ + 1, last_.size());
  }

  // A millisecond until one was measured: about what a network disk takes.
  [[nodiscard]] rules::Duration get() const {
    const std::lock_guard lock{mutex_};
    return known_ == 0 ? rules::Duration{1000}
                       : *std::min_element(last_.begin(),
                                           last_.begin() + static_cast<std::ptrdiff_t>(known_));
  }

 private:
  mutable std::mutex mutex_;
  std::array<rules::Duration, 16> last_{};
  std::size_t next_ = 0;
  std::size_t known_ = 0;
};

}  // namespace rollbackd::engine
