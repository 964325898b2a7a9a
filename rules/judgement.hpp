#pragma once

#include <vector>

#include "rules/validation.hpp"
#include "rules/world.hpp"

namespace rollbackd::rules {

// What was made of a service's current deployment at one moment.
struct Verdict {
  Ruling ruling = Ruling::quiet;
  Reading reading;  // the row that speaks; unset when quiet
  std::vector<Reason> reasons;
  Validation validation;  // of a rejection or a rollback
};

// The rows that fire now: above their threshold for as long as they ask. Remembers them in `state`,
// and since when each has been above.
std::vector<Reading> firing_rows(const World& world, const Deployment& current, ServiceState& state,
                                 Instant now);

// The order of judgement (DESIGN.md section 4) for a current deployment of which these rows fire.
// `active`: a rollback or proposal of the service is under way.
Verdict judge(const World& world, const Deployment& current, const std::vector<Reading>& firing,
              bool active, Instant now);

// After this long without firing a trigger may say the same thing again.
Second silence_of(const Trigger& trigger);

}  // namespace rollbackd::rules
