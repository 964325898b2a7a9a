#pragma once

#include <vector>

#include "tests/bench/feed/ground.hpp"

namespace rollbackd::tests {

// From the commit of the sixth error to the commit of the decision, in milliseconds, by the
// server's own commit timestamps. Every service is alone in its environment, so that nothing that
// holds rollbacks back has to do with it, and is decided about once.
class Detection {
 public:
  // Makes so many services ready, named after `name`.
  Detection(Ground& ground, const std::string& name, int services);

  // One service after the other, the next as soon as the one before is decided. A decision that
  // takes longer than the patience counts as that long, and ends the series.
  std::vector<double> run();
  [[nodiscard]] int wanted() const { return services_; }

 private:
  [[nodiscard]] std::string environment(int number) const;

  Ground& ground_;
  std::string name_;
  int services_;
};

}  // namespace rollbackd::tests
