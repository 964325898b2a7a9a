#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace rollbackd::tests {

// So that this part of the values (0 to 1) is no greater; 0 where there are none.
inline double quantile(std::vector<double> values, double part) {
  if (values.empty()) {
    return 0;
  }
  std::sort(values.begin(), values.end());
  const auto place = static_cast<std::size_t>(part * static_cast<double>(values.size()));
  return values[std::min(values.size() - 1, place)];
}

}  // namespace rollbackd::tests
