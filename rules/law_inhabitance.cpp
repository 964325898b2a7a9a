#include "rules/laws.hpp"

namespace rollbackd::rules {

Check law_inhabitance(const LawCase& law_case) {
  const double risk = law_case.profile.risk_to_life;
  Check check{Reason::law_inhabitance, Outcome::compliant, risk, 0.0, {}};
  if (risk > 0) {
    check.outcome = Outcome::violation;
    check.text =
        "Law of Inhabitance violated: risk to life is " + number_text(risk) + ", must be 0";
  }
  return check;
}

}  // namespace rollbackd::rules
