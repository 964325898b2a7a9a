#include "rules/value.hpp"

#include <cmath>
#include <cstdlib>
#include <limits>

#include <doctest/doctest.h>

#include "tests/support/random.hpp"

namespace rollbackd::tests {

using rollbackd::rules::number_text;
using rollbackd::rules::Value;
using rollbackd::rules::value_text;

TEST_CASE("value: numbers have at most two decimals and no trailing zeros") {
  CHECK(number_text(0) == "0");
  CHECK(number_text(8) == "8");
  CHECK(number_text(8.5) == "8.5");
  CHECK(number_text(90.909) == "90.91");
  CHECK(number_text(90.901) == "90.9");
  CHECK(number_text(100) == "100");
  CHECK(number_text(1000000) == "1000000");
  CHECK(number_text(0.01) == "0.01");
  CHECK(number_text(-0.1) == "-0.1");
  CHECK(number_text(-8) == "-8");
}

TEST_CASE("value: what rounds to nothing is 0 and never -0") {
  CHECK(number_text(0.004) == "0");
  CHECK(number_text(-0.004) == "0");
  CHECK(number_text(-0.0) == "0");
}

TEST_CASE("value: what is no number is said in words") {
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(number_text(inf) == "inf");
  CHECK(number_text(-inf) == "-inf");
  CHECK(number_text(std::numeric_limits<double>::quiet_NaN()) == "nan");
  CHECK(number_text(-std::numeric_limits<double>::quiet_NaN()) == "nan");
}

TEST_CASE("value: a number's text reads back as the number, to half a hundredth") {
  Random random{seed()};
  INFO("SEED=" << seed());
  for (int i = 0; i < 5000; ++i) {
    const double number = static_cast<double>(random.between(-100'000'000, 100'000'000)) / 1000.0;
    const std::string text = number_text(number);
    CAPTURE(text);
    REQUIRE(std::fabs(std::strtod(text.c_str(), nullptr) - number) <= 0.00501);
    REQUIRE((text.find('.') == std::string::npos || (text.back() != '0' && text.back() != '.')));
  }
}

TEST_CASE("value: each kind has its text") {
  CHECK(value_text(Value{true}) == "true");
  CHECK(value_text(Value{false}) == "false");
  CHECK(value_text(Value{std::int64_t{-7}}) == "-7");
  CHECK(value_text(Value{2.50}) == "2.5");
  CHECK(value_text(Value{std::string{"x y"}}) == "x y");
}

}  // namespace rollbackd::tests
