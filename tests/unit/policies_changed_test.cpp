// A configuration that changes while the rules run.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

using Words = std::vector<std::string>;

rules::Policy with_threshold(double above, rules::Duration held_for = {}) {
  rules::Policy policy;
  policy.triggers = {
      {"errors", rules::Signal::errors, 60, above, held_for, rules::TriggerAction::rollback}};
  return policy;
}

rules::PoliciesChanged to(rules::Policy policy) { return {rules::PolicyBook{std::move(policy)}}; }

}  // namespace

TEST_CASE("policies changed: what is judged next is judged by the new ones") {
  Bench bench{with_threshold(100)};
  bench.errors(6);
  bench.pass(2);
  CHECK_FALSE(bench.rollback());
  const rules::Output output = bench.step(to(with_threshold(5)));
  CHECK(output.commits.empty());
  bench.pass(1);
  REQUIRE(bench.rollback());
  CHECK(bench.rollback()->reason == "errors: errors 6 above 5");
}

TEST_CASE("policies changed: a threshold that was raised in time acts no more") {
  Bench bench{with_threshold(5, rules::seconds{10})};
  bench.errors(6);
  bench.pass(5);
  bench.take(to(with_threshold(100)));
  bench.pass(20);
  CHECK_FALSE(bench.rollback());
}

TEST_CASE("policies changed: `for` begins anew where the table is another one, and only there") {
  Bench changed{with_threshold(5, rules::seconds{10})};
  changed.errors(8);
  changed.pass(8);
  changed.take(to(with_threshold(6, rules::seconds{10})));
  changed.pass(8);
  CHECK_FALSE(changed.rollback());
  changed.pass(4);
  CHECK(changed.rollback());

  Bench same{with_threshold(5, rules::seconds{10})};
  same.errors(8);
  same.pass(8);
  rules::Policy other = with_threshold(5, rules::seconds{10});
  other.cooldown = rules::seconds{1};
  same.take(to(other));
  same.pass(3);
  CHECK(same.rollback());
}

TEST_CASE("policies changed: the mode of the next decision is the new one") {
  Bench bench{with_threshold(5)};
  rules::Policy shadow = with_threshold(5);
  shadow.mode = rules::Mode::shadow;
  bench.take(to(shadow));
  bench.errors(6);
  bench.pass(1);
  CHECK(bench.stories() == Words{"rollback_shadow"});
}

}  // namespace rollbackd::tests
