#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "rules/time.hpp"

namespace rollbackd::engine {

// The time a signed request says it was made, in seconds since 1970; nothing: it says none.
std::optional<rules::Second> signed_second(std::string_view timestamp);

// Takes every signed request once, and only while it is fresh. What another process may have taken
// before this one started is not fresh.
class ReplayGuard {
 public:
  // How far a request's time may lie from this machine's.
  static constexpr rules::Second window = 300;
  // Ids remembered. With more the oldest is forgotten, and what is as old as that refused.
  static constexpr std::size_t ids_max = 50'000;

  explicit ReplayGuard(rules::Second started) : earliest_{started} {}

  [[nodiscard]] bool is_fresh(rules::Second made, rules::Second now) const;
  // False: it was taken before. REQUIRES: is_fresh(made, now).
  bool take(const std::string& id, rules::Second made, rules::Second now);

 private:
  void forget_the_oldest();

  rules::Second earliest_;
  std::unordered_set<std::string> ids_;
  std::deque<std::pair<rules::Second, std::string>> in_order_;  // as they came
};

}  // namespace rollbackd::engine
