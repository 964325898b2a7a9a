#include "rules/validation.hpp"

#include <algorithm>

#include "rules/names.hpp"

namespace rollbackd::rules {

namespace {

constexpr auto outcomes = names_of<Outcome>({
    {Outcome::compliant, "compliant"},
    {Outcome::violation, "violation"},
    {Outcome::warning, "warning"},
});

}  // namespace

std::string_view name_of(Outcome outcome) { return outcomes.name_of(outcome); }
std::optional<Outcome> outcome_named(std::string_view name) { return outcomes.named(name); }

bool Validation::compliant() const {
  return std::none_of(checks.begin(), checks.end(),
                      [](const Check& c) { return c.outcome == Outcome::violation; });
}

std::vector<std::string> Validation::texts(Outcome outcome) const {
  std::vector<std::string> found;
  for (const Check& check : checks) {
    if (check.outcome == outcome) {
      found.push_back(check.text);
    }
  }
  return found;
}

std::vector<Reason> Validation::violated() const {
  std::vector<Reason> found;
  for (const Check& check : checks) {
    if (check.outcome == Outcome::violation) {
      found.push_back(check.name);
    }
  }
  return found;
}

}  // namespace rollbackd::rules
