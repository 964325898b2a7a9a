#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "engine/result.hpp"
#include "rules/action.hpp"

namespace rollbackd::engine {

// One of the values that every executor hands to what it runs, under the same name everywhere.
struct DeployValue {
  std::string_view name;  // snake_case
  std::string value;
};

// event_id, deployment_id (the replacement's), environment, service, version, git_commit.
using DeployValues = std::array<DeployValue, 6>;

DeployValues values_of(const rules::Deploy& deploy);

// What forbids to hand them out, if anything does: whoever may write ops.deployments chose some.
std::optional<Error> look_at(const DeployValues& values);

}  // namespace rollbackd::engine
