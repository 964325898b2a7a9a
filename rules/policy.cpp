#include "rules/policy.hpp"

#include <set>

#include "rules/limits.hpp"
#include "rules/names.hpp"

namespace rollbackd::rules {
namespace {

constexpr auto modes = names_of<Mode>({
    {Mode::automatic, "auto"},
    {Mode::ask, "ask"},
    {Mode::shadow, "shadow"},
});

}  // namespace

std::string_view name_of(Mode mode) { return modes.name_of(mode); }

template <class Use>
void PolicyBook::for_each(const Use& use) const {
  use(everybody_);
  for (const auto& [environment, policy] : environments_) {
    use(policy);
  }
  for (const auto& [service, policy] : services_) {
    use(policy);
  }
}

std::vector<Second> PolicyBook::window_lengths() const {
  std::set<Second> lengths{limits::rate_window, limits::healthy_window};
  for_each([&lengths](const Policy& policy) {
    lengths.insert(policy.verify_window);
    for (const Trigger& trigger : policy.triggers) {
      if (is_of_events(trigger.signal)) {
        lengths.insert(trigger.window);
      }
    }
  });
  return {lengths.begin(), lengths.end()};
}

std::vector<Second> PolicyBook::response_time_lengths() const {
  std::set<Second> lengths{limits::response_time_window};
  for_each([&lengths](const Policy& policy) {
    for (const Trigger& trigger : policy.triggers) {
      if (trigger.signal == Signal::response_time_p95) {
        lengths.insert(trigger.window);
      }
    }
  });
  return {lengths.begin(), lengths.end()};
}

}  // namespace rollbackd::rules
