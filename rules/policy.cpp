#include "rules/policy.hpp"

#include <set>

#include "rules/limits.hpp"

namespace rollbackd::rules {

std::vector<Second> PolicyBook::window_lengths() const {
  std::set<Second> lengths{limits::rate_window, limits::healthy_window};
  const auto collect = [&lengths](const Policy& policy) {
    lengths.insert(policy.verify_window);
    for (const Trigger& trigger : policy.triggers) {
      if (is_of_events(trigger.signal)) {
        lengths.insert(trigger.window);
      }
    }
  };
  collect(everybody_);
  for (const auto& [environment, policy] : environments_) {
    collect(policy);
  }
  for (const auto& [service, policy] : services_) {
    collect(policy);
  }
  return {lengths.begin(), lengths.end()};
}

}  // namespace rollbackd::rules
