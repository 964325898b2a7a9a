#pragma once

#include <string_view>
#include <variant>

#include "engine/http/message.hpp"
#include "rules/ids.hpp"

namespace rollbackd::engine {

// The deployment_id of a request's body, or the 400 that says why there is none. The body is read
// as JSON whatever its content type says: clients of the original send any.
std::variant<rules::DeploymentId, ApiResponse> deployment_in(std::string_view body);

}  // namespace rollbackd::engine
