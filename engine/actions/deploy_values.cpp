#include "engine/actions/deploy_values.hpp"

#include "rules/preconditions.hpp"

namespace rollbackd::engine {

DeployValues values_of(const rules::Deploy& deploy) {
  return {{{"event_id", deploy.event.text()},
           {"deployment_id", deploy.replacement.text()},
           {"environment", deploy.service.environment},
           {"service", deploy.service.name},
           {"version", deploy.version},
           {"git_commit", deploy.git_commit}}};
}

std::optional<Error> look_at(const DeployValues& values) {
  for (const DeployValue& each : values) {
    if (!rules::is_safe_value(each.value)) {
      return Error{"the " + std::string{each.name} +
                       " is empty, begins with '-' or holds a control character",
                   "correct the row in ops.deployments"};
    }
  }
  return std::nullopt;
}

}  // namespace rollbackd::engine
