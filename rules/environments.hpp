#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "rules/ids.hpp"

namespace rollbackd::rules {

// How one service stands, as its neighbours see it.
struct Standing {
  bool has_current = false;             // somebody serves
  bool fires = false;                   // a rollback trigger, on the current one's own events
  std::optional<EventId> rolling_back;  // the rollback that is in progress
  bool automatic = false;               // it is

  [[nodiscard]] bool is_bad() const { return has_current && (fires || rolling_back); }

  friend bool operator==(const Standing&, const Standing&) = default;
};

// What the services of one environment add up to. Kept up to date with every change, because it is
// asked for with every service that fires, and all can fire at once.
class Environments {
 public:
  struct Tally {
    std::size_t services = 0;     // that have a current deployment
    std::size_t bad = 0;          // of these
    std::set<EventId> automatic;  // automatic rollbacks in progress
  };

  // A service of the environment stands differently: `known` becomes `now`.
  void change(const std::string& environment, Standing& known, const Standing& now);
  void clear() { tallies_.clear(); }

  [[nodiscard]] const Tally& of(const std::string& environment) const;

 private:
  std::map<std::string, Tally> tallies_;
};

}  // namespace rollbackd::rules
