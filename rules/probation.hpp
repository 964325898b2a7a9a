#pragma once

#include <optional>

#include "rules/output.hpp"
#include "rules/world.hpp"

namespace rollbackd::rules {

// Whether the current deployment has just passed its probation: at or after its end, in_progress or
// success, stable, and no rollback of it was ever dispatched. The windows have to be complete.
std::optional<PassProbation> passed_probation(const World& world, const Deployment& current,
                                              Instant now);

// deployment_verified, with what the verdict rests on.
RomanEvent story_of(const PassProbation& passed, const Deployment& deployment);

// The snapshot that is due for a row that has just arrived or begun to serve; nothing: none is.
std::optional<TakeSnapshot> due_snapshot(const World& world, const Deployment& deployment,
                                         Instant now);

// deployment_seen: a deployment began to serve.
RomanEvent story_of_arrival(const Deployment& deployment);

// warning: its version was rolled back before.
RomanEvent story_of_redeployment(const Deployment& deployment);

}  // namespace rollbackd::rules
