#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/result.hpp"

namespace rollbackd::engine {

// The statements of a migration's rollback_script, to be run one after the other in one transaction
// of ours. An error when there are none, or when one would begin or end a transaction: what is
// half done could then not be taken back.
Result<std::vector<std::string>> migration_statements(std::string_view script);

}  // namespace rollbackd::engine
