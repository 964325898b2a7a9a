#pragma once

#include "engine/result.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// The token as it is at this moment.
Result<Secret> token_of(const GithubSettings& settings);

}  // namespace rollbackd::engine
