#include "rules/laws.hpp"

#include <algorithm>

namespace rollbackd::rules {
namespace {

// A case that one law has to refuse, and all others to let pass.
struct Counterexample {
  Law law;
  LawCase law_case;
  Outcome expected;
};

std::vector<Counterexample> counterexamples() {
  std::vector<Counterexample> all(4);
  all[0] = {law_inhabitance, {}, Outcome::violation};
  all[0].law_case.profile.risk_to_life = 0.1;
  all[1] = {law_harmonic_attraction, {}, Outcome::violation};
  all[1].law_case.profile.method_type = "brute_force";
  all[1].law_case.profile.target_frequency = 50;
  all[2] = {law_total_coherence, {}, Outcome::violation};
  all[2].law_case.profile.entropy_increase = 0.1;
  all[2].law_case.system_entropy = 0.11;
  all[3] = {law_structural_integrity, {}, Outcome::warning};
  all[3].law_case.profile.geometric_ratio = 1.62;
  return all;
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

std::vector<Check> apply_laws(const LawCase& law_case) {
  std::vector<Check> checks;
  checks.reserve(laws().size());
  for (const Law law : laws()) {
    checks.push_back(law(law_case));
  }
  return checks;
}

std::optional<std::string> laws_self_test() {
  for (const Check& check : apply_laws({{}, 1.0})) {
    if (check.outcome != Outcome::compliant) {
      return std::string{name_of(check.name)} + " refuses a plain rollback: " + check.text;
    }
  }
  for (const Counterexample& example : counterexamples()) {
    const Check check = example.law(example.law_case);
    if (check.outcome != example.expected) {
      return std::string{name_of(check.name)} + " says " + std::string{name_of(check.outcome)} +
             " where it has to say " + std::string{name_of(example.expected)};
    }
  }
  return std::nullopt;
}

}  // namespace rollbackd::rules
