#include "engine/database/backoff.hpp"

#include <algorithm>
#include <random>

namespace rollbackd::engine {
namespace {

constexpr rules::Duration first{50'000};
constexpr rules::Duration longest{5'000'000};
constexpr int doublings_max = 7;

}  // namespace

rules::Duration reconnect_delay(int attempt) {
  thread_local std::minstd_rand jitter{std::random_device{}()};
  const int doublings = std::clamp(attempt - 1, 0, doublings_max);
  const rules::Duration whole = std::min(longest, first * (1 << doublings));
  std::uniform_int_distribution<rules::Duration::rep> part{whole.count() / 2, whole.count()};
  return rules::Duration{part(jitter)};
}

}  // namespace rollbackd::engine
