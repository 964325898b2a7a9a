#include "tests/fuzz/driver/target.hpp"

#include <algorithm>

namespace rollbackd::fuzz {
namespace {

std::vector<Target>& registered() {
  static std::vector<Target> all;
  return all;
}

}  // namespace

std::vector<Target> targets() {
  std::vector<Target> all = registered();
  std::sort(all.begin(), all.end(),
            [](const Target& a, const Target& b) { return a.name < b.name; });
  return all;
}

Registered::Registered(Target target) { registered().push_back(target); }

}  // namespace rollbackd::fuzz
