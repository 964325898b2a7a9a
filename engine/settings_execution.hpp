#pragma once

#include <string>

#include "engine/settings.hpp"
#include "engine/settings_reader.hpp"

namespace rollbackd::engine {

// Reads the keys of `rollback` that say how to deploy: executor, command, github, webhook and
// migration_role, over what is inherited.
void read_execution(const Section& rollback, ExecutionSettings& execution, std::string& executor);

}  // namespace rollbackd::engine
