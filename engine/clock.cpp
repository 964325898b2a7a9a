#include "engine/clock.hpp"

#include <cstdlib>

namespace rollbackd::engine {
namespace {

// Two quartz clocks drift apart by this much at most: a narrow measurement widens with its age.
constexpr std::int64_t drift_per_million = 100;
// Further off than this is no drift: somebody set the database's clock.
constexpr std::int64_t step_us = 500'000;

std::int64_t steady_us() { return steady_now().time_since_epoch().count(); }

}  // namespace

SteadyTime steady_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::steady_clock::now());
}

rules::Instant wall_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return rules::Instant{std::chrono::duration_cast<std::chrono::microseconds>(now)};
}

rules::Instant DatabaseTime::now() const {
  return rules::Instant{rules::Duration{steady_us() + offset_us_.load()}};
}

void DatabaseTime::measured(rules::Instant told, SteadyTime asked, SteadyTime answered) {
  const std::int64_t begin = asked.time_since_epoch().count();
  const std::int64_t width = answered.time_since_epoch().count() - begin;
  const std::int64_t offset = told.time_since_epoch().count() - begin - width / 2;
  const std::int64_t age = begin - measured_at_us_.load();
  const bool known = width_us_.load() != INT64_MAX;
  const std::int64_t known_width =
      known ? width_us_.load() + age * drift_per_million / 1'000'000 : INT64_MAX;
  const bool stepped = known && std::llabs(offset - offset_us_.load()) > step_us + width;
  if (width <= known_width || stepped) {
    offset_us_.store(offset);
    width_us_.store(width);
    measured_at_us_.store(begin);
  }
}

}  // namespace rollbackd::engine
