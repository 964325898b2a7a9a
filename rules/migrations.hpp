#pragma once

#include <string>
#include <vector>

#include "rules/world.hpp"

namespace rollbackd::rules {

// The migrations of this service that came after the target and are not reverted, newest first: of
// a deployment newer than the target, or of none and applied after the target's deployed_at
// (DESIGN.md section 5, Migrations). They point into world.control.
std::vector<const Migration*> migrations_since(const World& world, const Deployment& target);

// Their names, in that order.
std::vector<std::string> names_of(const std::vector<const Migration*>& migrations);

// Whether there can be more of them than are known: of too many only the newest are read.
bool are_migrations_cut(const World& world, const Deployment& target);

// The migrations of the service, or of nobody, that failed to revert.
std::vector<const Migration*> migrations_stuck(const World& world, const Service& service);

}  // namespace rollbackd::rules
