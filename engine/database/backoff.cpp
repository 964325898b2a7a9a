#include "engine/database/backoff.hpp"

#include <algorithm>
#include <random>

namespace rollbackd::engine {
namespace {

struct Delays {
  rules::Duration first;
  rules::Duration longest;
};

constexpr Delays unreachable{rules::Duration{50'000}, rules::seconds{5}};
constexpr Delays refused{rules::seconds{1}, rules::seconds{60}};
constexpr int delay_doublings_max = 7;

}  // namespace

rules::Duration reconnect_delay(int attempt, bool login_refused) {
  thread_local std::minstd_rand jitter{std::random_device{}()};
  const Delays& delays = login_refused ? refused : unreachable;
  const int doublings = std::clamp(attempt - 1, 0, delay_doublings_max);
  const rules::Duration whole = std::min(delays.longest, delays.first * (1 << doublings));
  std::uniform_int_distribution<rules::Duration::rep> part{whole.count() / 2, whole.count()};
  return rules::Duration{part(jitter)};
}

}  // namespace rollbackd::engine
