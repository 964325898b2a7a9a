#pragma once

#include "engine/result.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// The token as it is at this moment: whoever replaces its file need not restart anything. Reads a
// file.
Result<Secret> token_of(const GithubExecution& settings);

}  // namespace rollbackd::engine
