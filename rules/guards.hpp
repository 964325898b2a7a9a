#pragma once

#include <string>
#include <vector>

#include "rules/rollback.hpp"
#include "rules/world.hpp"

namespace rollbackd::rules {

// All reasons for which an automatic rollback of this deployment has to wait (DESIGN.md section 4,
// point 3), in their order; empty: none. A rollback of it that is in progress does not hold itself.
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

bool is_paused(const World& world);
bool is_breaker_open(const World& world, const std::string& environment);

// Other automatic rollbacks of the service's environment that are in progress or had their claim
// committed within limits::cap_window.
std::size_t other_rollbacks(const World& world, const Service& service, Instant now);

// Remembers the claim of an automatic rollback, and forgets those that count no more: one that was
// taken back was none.
void note_claim(World& world, const Rollback& rollback, Instant now);

// Of the other services of the environment that have a current deployment, at least
// limits::others_bad_min and at least half fire on events of their own or are being rolled back.
bool are_others_bad(const World& world, const Service& service);

// Whether the deployment before this one fired, on events of its own, in its last minute, as far as
// memory reaches back; nothing: it does not reach back so far.
std::optional<bool> was_unhealthy_before(const World& world, const Deployment& deployment);

}  // namespace rollbackd::rules
