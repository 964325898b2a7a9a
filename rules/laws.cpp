#include "rules/laws.hpp"

#include <algorithm>

namespace rollbackd::rules {
namespace {

// A case that the law of this name has to refuse.
struct Counterexample {
  Reason name = Reason::law_inhabitance;
  Outcome expected = Outcome::violation;
  LawCase law_case;
};

std::vector<Counterexample> counterexamples() {
  std::vector<Counterexample> all(4);
  all[0].name = Reason::law_inhabitance;
  all[0].law_case.profile.risk_to_life = 0.1;
  all[1].name = Reason::law_harmonic_attraction;
  all[1].law_case.profile.method_type = "brute_force";
  all[1].law_case.profile.target_frequency = 50;
  all[2].name = Reason::law_total_coherence;
  all[2].law_case.profile.entropy_increase = 0.1;
  all[2].law_case.system_entropy = 0.11;
  all[3].name = Reason::law_structural_integrity;
  all[3].expected = Outcome::warning;
  all[3].law_case.profile.geometric_ratio = 1.62;
  return all;
}

std::vector<Check> apply(const std::vector<Law>& all, const LawCase& law_case) {
  std::vector<Check> checks;
  checks.reserve(all.size());
  for (const Law law : all) {
    checks.push_back(law(law_case));
  }
  return checks;
}

}  // namespace

double system_entropy(double errors_per_minute) { return std::min(errors_per_minute / 100.0, 1.0); }

const std::vector<Law>& laws() {
  static const std::vector<Law> four{
      law_inhabitance,
      law_harmonic_attraction,
      law_total_coherence,
      law_structural_integrity,
  };
  return four;
}

std::vector<Check> apply_laws(const LawCase& law_case) { return apply(laws(), law_case); }

std::optional<std::string> laws_self_test(const std::vector<Law>& all) {
  for (const Check& check : apply(all, {{}, 1.0})) {
    if (check.outcome != Outcome::compliant) {
      return std::string{name_of(check.name)} + " refuses a plain rollback: " + check.text;
    }
  }
  for (const Counterexample& example : counterexamples()) {
    const auto checks = apply(all, example.law_case);
    const auto check = std::find_if(checks.begin(), checks.end(),
                                    [&](const Check& c) { return c.name == example.name; });
    if (check == checks.end()) {
      return std::string{name_of(example.name)} + " is missing";
    }
    if (check->outcome != example.expected) {
      return std::string{name_of(check->name)} + " says " + std::string{name_of(check->outcome)} +
             " where it has to say " + std::string{name_of(example.expected)};
    }
  }
  return std::nullopt;
}

}  // namespace rollbackd::rules
