#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/reason.hpp"
#include "rules/value.hpp"

namespace rollbackd::rules {

enum class Outcome { compliant, violation, warning };

std::string_view name_of(Outcome outcome);
std::optional<Outcome> outcome_named(std::string_view name);

// What one law or precondition said about one proposed rollback, with the number it looked at and
// the limit it holds it against.
struct Check {
  Reason name = Reason::law_inhabitance;
  Outcome outcome = Outcome::compliant;
  Value measured;
  Value limit;
  std::string text;  // for people; empty when compliant

  friend bool operator==(const Check&, const Check&) = default;
};

// All checks of one proposed rollback, in order.
struct Validation {
  std::vector<Check> checks;

  [[nodiscard]] bool compliant() const;
  [[nodiscard]] std::vector<std::string> texts(Outcome outcome) const;
  [[nodiscard]] std::vector<Reason> violated() const;

  friend bool operator==(const Validation&, const Validation&) = default;
};

}  // namespace rollbackd::rules
