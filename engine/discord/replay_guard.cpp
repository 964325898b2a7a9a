#include "engine/discord/replay_guard.hpp"

#include <algorithm>
#include <charconv>

namespace rollbackd::engine {
namespace {

// Of the year 33658; more cannot be a time, and might not be a number.
constexpr std::size_t digits_max = 12;

}  // namespace

std::optional<rules::Second> signed_second(std::string_view timestamp) {
  rules::Second second = 0;
  if (timestamp.empty() || timestamp.size() > digits_max ||
      timestamp.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  std::from_chars(timestamp.data(), timestamp.data() + timestamp.size(), second);
  return second;
}

bool ReplayGuard::is_fresh(rules::Second made, rules::Second now) const {
  return made >= earliest_ && made >= now - window && made <= now + window;
}

bool ReplayGuard::take(const std::string& id, rules::Second made, rules::Second now) {
  while (!in_order_.empty() && in_order_.front().first < now - window) {
    forget_the_oldest();
  }
  if (!ids_.insert(id).second) {
    return false;
  }
  in_order_.emplace_back(made, id);
  if (in_order_.size() > ids_max) {
    earliest_ = std::max(earliest_, in_order_.front().first + 1);
    forget_the_oldest();
  }
  return true;
}

void ReplayGuard::forget_the_oldest() {
  ids_.erase(in_order_.front().second);
  in_order_.pop_front();
}

}  // namespace rollbackd::engine
