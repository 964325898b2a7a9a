#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rules/validation.hpp"

namespace rollbackd::rules {

// What a rollback is, in the terms of the Four Laws (the procedures' "Rollback Action Profile").
struct ActionProfile {
  std::string method_type = "harmonic_resonance";
  double risk_to_life = 0.0;
  double entropy_increase = -0.1;  // negative: it reduces entropy
  double geometric_ratio = 1.618;
  double target_frequency = 7.83;  // Hz
};

// All that a law may look at.
struct LawCase {
  ActionProfile profile;
  double system_entropy = 0;  // errors per minute / 100, at most 1
};

// 0 for a quiet system, 1 for a hundred errors a minute or more.
double system_entropy(double errors_per_minute);

using Law = Check (*)(const LawCase&);

// The Four Laws in their order. No law is ever overridden. A fifth is one file and one line here.
const std::vector<Law>& laws();

// Runs every law on this action.
std::vector<Check> apply_laws(const LawCase& law_case);

// Holds every law against a case it must pass and each of the four against one it must not. The
// text says which law failed; a daemon whose laws fail does not start.
std::optional<std::string> laws_self_test(const std::vector<Law>& all = laws());

Check law_inhabitance(const LawCase& law_case);
Check law_harmonic_attraction(const LawCase& law_case);
Check law_total_coherence(const LawCase& law_case);
Check law_structural_integrity(const LawCase& law_case);

}  // namespace rollbackd::rules
