#pragma once

#include <string>
#include <vector>

#include "rules/world.hpp"

namespace rollbackd::rules {

// The migrations since the target that are not reverted, newest first: of a deployment of the
// service that is newer than the target, or of none that is known and applied after the target's
// deployed_at. Empty too while nothing is known of migrations (World::control).
std::vector<const Migration*> migrations_since(const World& world, const Deployment& target);

// Their names, in that order.
std::vector<std::string> names_of(const std::vector<const Migration*>& migrations);

}  // namespace rollbackd::rules
