#include "tests/bench/feed/comparison.hpp"

#include <algorithm>

#include "tests/support/quantile.hpp"

namespace rollbackd::tests {

Spread spread_of(const std::vector<double>& values) {
  return {quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75), values.size()};
}

Slice Comparison::alternate(Writers& writers, const std::vector<std::string>& statements,
                            int rounds, Seconds length, const std::string& wanted_last) {
  std::vector<std::string> order = statements;
  Slice last;
  for (int round = 0; round < rounds; ++round) {
    // Every statement follows every other one about equally often.
    std::rotate(order.begin(), order.begin() + 1, order.end());
    if (round % 2 == 1) {
      std::reverse(order.begin(), order.end());
    }
    if (round + 1 == rounds) {
      std::iter_swap(std::find(order.begin(), order.end(), wanted_last), order.end() - 1);
    }
    for (const std::string& statement : order) {
      last = writers.run(statement, length);
      rates_[statement].push_back(last.rate());
    }
  }
  return last;
}

Spread Comparison::ratio(const std::string& statement, const std::string& baseline) const {
  std::vector<double> ratios = rates_.at(statement);
  std::transform(ratios.begin(), ratios.end(), rates_.at(baseline).begin(), ratios.begin(),
                 [](double ours, double theirs) { return ours / theirs; });
  return spread_of(ratios);
}

Spread Comparison::rate(const std::string& statement) const {
  return spread_of(rates_.at(statement));
}

}  // namespace rollbackd::tests
