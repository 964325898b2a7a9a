#pragma once

#include <vector>

#include "rules/validation.hpp"
#include "rules/world.hpp"

namespace rollbackd::rules {

// A rollback that somebody, or a trigger, wants.
struct Proposal {
  const Deployment& deployment;
  bool automatic = true;
  bool under_way = false;  // a rollback of the service is active
  bool revert_migrations = false;
};

// Everything besides the laws that can forbid this rollback, in the order of DESIGN.md section 4.
std::vector<Check> preconditions(const World& world, const Proposal& proposal, Instant now);

// The laws, then the preconditions.
Validation validate(const World& world, const Proposal& proposal, Instant now);

// What a person with the right to can set aside: preconditions and the pause; never a law, and not
// what would make the rollback meaningless.
bool may_be_overridden(Reason reason);

// Makes warnings of the violations that these overrides name, as far as they may be.
void set_aside(Validation& validation, const std::vector<Reason>& overrides, const std::string& by);

// Whether a text can be handed to an executor: a writer of ops.deployments chose it, and a leading
// '-' would be read as an option, a control character as anything.
bool is_safe_value(std::string_view text);

}  // namespace rollbackd::rules
