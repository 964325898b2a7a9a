#include "rules/environments.hpp"

namespace rollbackd::rules {
namespace {

constexpr std::size_t one_if(bool condition) { return condition ? 1 : 0; }

}  // namespace

void Environments::change(const std::string& environment, Standing& known, const Standing& now) {
  if (known == now) {
    return;
  }
  Tally& tally = tallies_[environment];
  tally.services = tally.services + one_if(now.has_current) - one_if(known.has_current);
  tally.bad = tally.bad + one_if(now.is_bad()) - one_if(known.is_bad());
  if (known.rolling_back && known.automatic) {
    tally.automatic.erase(*known.rolling_back);
  }
  if (now.rolling_back && now.automatic) {
    tally.automatic.insert(*now.rolling_back);
  }
  known = now;
}

const Environments::Tally& Environments::of(const std::string& environment) const {
  static const Tally none;
  const auto known = tallies_.find(environment);
  return known == tallies_.end() ? none : known->second;
}

}  // namespace rollbackd::rules
