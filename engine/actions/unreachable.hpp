#pragma once

#include <algorithm>

#include "rules/time.hpp"

namespace rollbackd::engine {

// How long to wait when no connection could be made, before the next attempt: 1 s, doubling to 16
// s. `attempts`: those before this one.
inline rules::Duration pause_after_unreachable(int attempts) {
  constexpr int doublings_max = 4;
  return rules::seconds{1 << std::clamp(attempts, 0, doublings_max)};
}

}  // namespace rollbackd::engine
