#include "rules/laws.hpp"

namespace rollbackd::rules {
namespace {

constexpr double unstable_entropy = 0.1;

}  // namespace

// Entropy alone is no condition: a system may be as quiet or as noisy as it likes, as long as the
// action does not add to the noise.
Check law_total_coherence(const LawCase& law_case) {
  Check check{Reason::law_total_coherence,
              Outcome::compliant,
              law_case.system_entropy,
              unstable_entropy,
              {}};
  if (law_case.system_entropy > unstable_entropy && law_case.profile.entropy_increase > 0) {
    check.outcome = Outcome::violation;
    check.text = "Law of Total Coherence violated: Cannot increase entropy when system unstable";
  }
  return check;
}

}  // namespace rollbackd::rules
