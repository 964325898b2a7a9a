#pragma once

#include "rules/preconditions.hpp"
#include "rules/rollback.hpp"
#include "rules/world.hpp"

namespace rollbackd::rules {

// The rollback of this deployment as it would be, with evidence, target and fresh ids, but no type,
// reason and validation yet. `number` tells proposals of one moment apart.
Rollback propose(const World& world, const Deployment& deployment, Instant now,
                 std::uint64_t number);

// Where it would go back to at this moment; nothing: there is no such deployment.
std::optional<Target> target_from(const World& world, const Deployment& deployment);

// Makes it one that waits for a person.
void wait_for_person(Rollback& rollback, const Policy& policy, Instant now);

// Notes in the evidence which row asked for it.
void cite(Rollback& rollback, const Reading& reading);

// Makes it a rejected one: constitutional_violation, aborted, nothing done.
void refuse(Rollback& rollback, Instant now);

}  // namespace rollbackd::rules
