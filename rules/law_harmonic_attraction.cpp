#include "rules/laws.hpp"

namespace rollbackd::rules {
namespace {

constexpr double schumann_hz = 7.83;

}  // namespace

Check law_harmonic_attraction(const LawCase& law_case) {
  const ActionProfile& profile = law_case.profile;
  Check check{Reason::law_harmonic_attraction,
              Outcome::compliant,
              profile.method_type,
              std::string{"not brute_force, unless at 7.83 Hz"},
              {}};
  if (profile.method_type == "brute_force" && profile.target_frequency != schumann_hz) {
    check.outcome = Outcome::violation;
    check.text = "Law of Harmonic Attraction violated: brute_force at " +
                 number_text(profile.target_frequency) + " Hz, allowed at 7.83 Hz only";
  }
  return check;
}

}  // namespace rollbackd::rules
