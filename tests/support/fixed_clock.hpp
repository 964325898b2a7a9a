#pragma once

#include "engine/ports.hpp"

namespace rollbackd::tests {

// It is always the same moment.
class FixedClock : public engine::Clock {
 public:
  explicit FixedClock(rules::Instant now = {}) : now_{now} {}
  [[nodiscard]] rules::Instant now() const override { return now_; }

 private:
  rules::Instant now_;
};

}  // namespace rollbackd::tests
