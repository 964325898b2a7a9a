#pragma once

#include <string>

#include "rules/output.hpp"
#include "rules/rollback.hpp"

namespace rollbackd::engine {

// One rollback for who asked for it, from its approval to its end: what, why, where to, the
// verdict, a bar over the eight steps, and the seconds it took. `person`: how they are shown.
std::string progress_text(const rules::Rollback& rollback, const std::string& person);

// Why a request was not accepted, and what to do. REQUIRES: the answer is no accepted one.
std::string refused_text(const rules::Answer& answer, const std::string& person);

}  // namespace rollbackd::engine
