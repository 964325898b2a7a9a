#pragma once

#include <string>
#include <string_view>

#include "engine/settings.hpp"
#include "rules/time.hpp"
#include "rules/value.hpp"

namespace rollbackd::engine {

// One record as one line, without its newline. Nothing in a value can end the line, begin another,
// steer a terminal or break the format: what could is written as \u escapes.
std::string log_line(LogFormat format, rules::Instant at, LogLevel level, std::string_view event,
                     const rules::Fields& fields);

}  // namespace rollbackd::engine
