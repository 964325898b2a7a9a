#include <cmath>

#include "rules/laws.hpp"

namespace rollbackd::rules {
namespace {

constexpr double golden_ratio = 1.61803398875;
constexpr double tolerance = 0.001;

}  // namespace

Check law_structural_integrity(const LawCase& law_case) {
  const double ratio = law_case.profile.geometric_ratio;
  Check check{Reason::law_structural_integrity, Outcome::compliant, ratio, golden_ratio, {}};
  if (!(std::fabs(ratio - golden_ratio) <= tolerance)) {
    check.outcome = Outcome::warning;
    check.text = "Law of Structural Integrity: ratio " + number_text(ratio) +
                 " is further than 0.001 from 1.61803398875";
  }
  return check;
}

}  // namespace rollbackd::rules
