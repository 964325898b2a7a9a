#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace rollbackd::terminal {

// A line for each of the few deployments and rollbacks that somebody who wrote `name` may have
// meant, the nearest first. `known`: rows with version and deployment_id, or with event_id.
std::vector<std::string> near_matches(const std::string& name, const nlohmann::json& known);

}  // namespace rollbackd::terminal
