#pragma once

#include <string_view>

#include "rules/output.hpp"

namespace rollbackd::engine {

// What a transaction means for a rollback, in one word: decision, steps, prepared, claim, unclaim,
// started, in_service, end, late, or other when it is about none.
std::string_view commit_kind(const rules::Commit& commit);

}  // namespace rollbackd::engine
