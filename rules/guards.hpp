#pragma once

#include <vector>

#include "rules/world.hpp"

namespace rollbackd::rules {

// All reasons for which an automatic rollback of this deployment has to wait (DESIGN.md section 4,
// point 3), in their order; empty: none.
std::vector<Reason> holds(const World& world, const Deployment& deployment, Instant now);

// Connection utilisation is everybody's. Whether this deployment may be rolled back for it: the
// newest current one of the database, inside its blame window, quiet when it arrived, and the only
// service deployed inside that window.
bool is_to_blame(const World& world, const Deployment& deployment, const Trigger& trigger,
                 Instant now);

// The newest current deployment of all services; null: there is none.
const Deployment* newest_current(const World& world, Instant now);

// Whether the latch is still shut: until a later deployment that is no replacement is current.
bool is_latched(const World& world, const Latch& latch, const Deployment& current);

}  // namespace rollbackd::rules
