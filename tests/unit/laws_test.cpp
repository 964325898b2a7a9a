#include "rules/laws.hpp"

#include <cmath>
#include <limits>

#include <doctest/doctest.h>

namespace rollbackd::rules {
namespace {

Outcome outcome(Law law, const LawCase& law_case) { return law(law_case).outcome; }

LawCase with_risk(double risk) {
  LawCase c;
  c.profile.risk_to_life = risk;
  return c;
}

LawCase with_method(std::string method, double frequency) {
  LawCase c;
  c.profile.method_type = std::move(method);
  c.profile.target_frequency = frequency;
  return c;
}

LawCase with_entropy(double system, double increase) {
  LawCase c;
  c.system_entropy = system;
  c.profile.entropy_increase = increase;
  return c;
}

LawCase with_ratio(double ratio) {
  LawCase c;
  c.profile.geometric_ratio = ratio;
  return c;
}

}  // namespace

TEST_CASE("laws: a rollback's profile is the procedures'") {
  const ActionProfile profile;
  CHECK(profile.method_type == "harmonic_resonance");
  CHECK(profile.risk_to_life == 0.0);
  CHECK(profile.entropy_increase == -0.1);
  CHECK(profile.geometric_ratio == 1.618);
  CHECK(profile.target_frequency == 7.83);
}

TEST_CASE("laws: they are four, in their order, each under its own name") {
  const auto checks = apply_laws({});
  REQUIRE(checks.size() == 4);
  CHECK(checks[0].name == Reason::law_inhabitance);
  CHECK(checks[1].name == Reason::law_harmonic_attraction);
  CHECK(checks[2].name == Reason::law_total_coherence);
  CHECK(checks[3].name == Reason::law_structural_integrity);
}

TEST_CASE("laws: a plain rollback is compliant in a quiet system and in a burning one") {
  for (const double entropy : {0.0, 0.1, 0.11, 1.0}) {
    for (const Check& check : apply_laws({{}, entropy})) {
      CAPTURE(name_of(check.name));
      CHECK(check.outcome == Outcome::compliant);
      CHECK(check.text.empty());
    }
  }
}

TEST_CASE("laws: inhabitance forbids any risk to life") {
  CHECK(outcome(law_inhabitance, with_risk(0)) == Outcome::compliant);
  CHECK(outcome(law_inhabitance, with_risk(-1)) == Outcome::compliant);
  CHECK(outcome(law_inhabitance, with_risk(1e-9)) == Outcome::violation);
  const Check check = law_inhabitance(with_risk(0.25));
  CHECK(check.text == "Law of Inhabitance violated: risk to life is 0.25, must be 0");
  CHECK(check.measured == Value{0.25});
  CHECK(check.limit == Value{0.0});
}

TEST_CASE("laws: harmonic attraction forbids brute force unless at 7.83 Hz") {
  CHECK(outcome(law_harmonic_attraction, with_method("brute_force", 7.83)) == Outcome::compliant);
  CHECK(outcome(law_harmonic_attraction, with_method("brute_force", 7.84)) == Outcome::violation);
  CHECK(outcome(law_harmonic_attraction, with_method("harmonic_resonance", 50)) ==
        Outcome::compliant);
  const Check check = law_harmonic_attraction(with_method("brute_force", 50));
  CHECK(check.text ==
        "Law of Harmonic Attraction violated: brute_force at 50 Hz, allowed at 7.83 Hz only");
  CHECK(check.measured == Value{std::string{"brute_force"}});
}

TEST_CASE("laws: total coherence forbids adding entropy to an unstable system, and only that") {
  CHECK(outcome(law_total_coherence, with_entropy(0.1, 0.5)) == Outcome::compliant);
  CHECK(outcome(law_total_coherence, with_entropy(0.1001, 0)) == Outcome::compliant);
  CHECK(outcome(law_total_coherence, with_entropy(0.1001, -0.1)) == Outcome::compliant);
  CHECK(outcome(law_total_coherence, with_entropy(1, 0.0001)) == Outcome::violation);
  const Check check = law_total_coherence(with_entropy(0.2, 0.1));
  CHECK(check.text ==
        "Law of Total Coherence violated: Cannot increase entropy when system unstable");
  CHECK(check.measured == Value{0.2});
  CHECK(check.limit == Value{0.1});
}

TEST_CASE("laws: structural integrity warns beyond a thousandth of the golden ratio") {
  constexpr double golden = 1.61803398875;
  CHECK(outcome(law_structural_integrity, with_ratio(golden + 0.00099)) == Outcome::compliant);
  CHECK(outcome(law_structural_integrity, with_ratio(golden - 0.00099)) == Outcome::compliant);
  CHECK(outcome(law_structural_integrity, with_ratio(golden + 0.00101)) == Outcome::warning);
  CHECK(outcome(law_structural_integrity, with_ratio(golden - 0.00101)) == Outcome::warning);
  CHECK(outcome(law_structural_integrity, with_ratio(std::nan(""))) == Outcome::warning);
  CHECK(law_structural_integrity(with_ratio(2)).text ==
        "Law of Structural Integrity: ratio 2 is further than 0.001 from 1.61803398875");
}

TEST_CASE("laws: a warning forbids nothing") {
  const Validation validation{apply_laws(with_ratio(2))};
  CHECK(validation.compliant());
  CHECK(validation.texts(Outcome::warning).size() == 1);
  CHECK(validation.violated().empty());
}

TEST_CASE("laws: system entropy is errors per minute over a hundred, at most 1") {
  CHECK(system_entropy(0) == 0);
  CHECK(system_entropy(8) == 0.08);
  CHECK(system_entropy(100) == 1);
  CHECK(system_entropy(100'000) == 1);
}

TEST_CASE("laws: the self-test passes") { CHECK_FALSE(laws_self_test().has_value()); }

TEST_CASE("laws: the self-test catches each law that refuses nothing") {
  const auto toothless = [](std::size_t which) {
    std::vector<Law> all = laws();
    constexpr Law none[] = {[](const LawCase&) {
                              return Check{Reason::law_inhabitance, {}, {}, {}, {}};
                            },
                            [](const LawCase&) {
                              return Check{Reason::law_harmonic_attraction, {}, {}, {}, {}};
                            },
                            [](const LawCase&) {
                              return Check{Reason::law_total_coherence, {}, {}, {}, {}};
                            },
                            [](const LawCase&) {
                              return Check{Reason::law_structural_integrity, {}, {}, {}, {}};
                            }};
    all[which] = none[which];
    return laws_self_test(all).value_or("passed");
  };
  CHECK(toothless(0) == "law_inhabitance says compliant where it has to say violation");
  CHECK(toothless(1) == "law_harmonic_attraction says compliant where it has to say violation");
  CHECK(toothless(2) == "law_total_coherence says compliant where it has to say violation");
  CHECK(toothless(3) == "law_structural_integrity says compliant where it has to say warning");
}

TEST_CASE(
    "laws: the self-test catches a law that refuses a plain rollback, and one that is missing") {
  // A tempting mistake: entropy alone, without an increase.
  std::vector<Law> all = laws();
  all[2] = [](const LawCase& c) {
    Check check{Reason::law_total_coherence, Outcome::compliant, c.system_entropy, 0.1, {}};
    if (c.system_entropy > 0.1) {
      check.outcome = Outcome::violation;
      check.text = "unstable";
    }
    return check;
  };
  CHECK(laws_self_test(all) == "law_total_coherence refuses a plain rollback: unstable");
  all = laws();
  all.pop_back();
  CHECK(laws_self_test(all) == "law_structural_integrity is missing");
}

TEST_CASE("laws: a law that reads the wrong number is caught") {
  std::vector<Law> all = laws();
  all[0] = [](const LawCase& c) {
    LawCase wrong;
    wrong.profile.risk_to_life = c.profile.entropy_increase;
    return law_inhabitance(wrong);
  };
  CHECK(laws_self_test(all).has_value());
}

}  // namespace rollbackd::rules
