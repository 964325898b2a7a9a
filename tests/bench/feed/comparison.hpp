#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/bench/feed/writers.hpp"

namespace rollbackd::tests {

struct Spread {
  double low = 0;  // the lower quartile
  double median = 0;
  double high = 0;  // the upper quartile
  std::size_t count = 0;
};

Spread spread_of(const std::vector<double>& values);

// Runs the same clients on several statements in turn, because two runs side by side on a shared
// machine differ by up to 2x for the same statement, and neighbouring slices hardly at all.
class Comparison {
 public:
  // Each round runs every statement once, in an order that changes with the round. Gives the last
  // slice of `wanted_last`, which is also the last that ran.
  Slice alternate(Writers& writers, const std::vector<std::string>& statements, int rounds,
                  Seconds length, const std::string& wanted_last);

  // Of the rates of `statement` and those of `baseline` in the same rounds.
  [[nodiscard]] Spread ratio(const std::string& statement, const std::string& baseline) const;
  [[nodiscard]] Spread rate(const std::string& statement) const;

 private:
  std::map<std::string, std::vector<double>> rates_;
};

}  // namespace rollbackd::tests
