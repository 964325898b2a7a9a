#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rules/time.hpp"

namespace rollbackd::engine {

// "2025-12-15T14:35:00Z", as the API and ops.get_deployment_health() write a second.
std::string second_text(rules::Second second);

// "2025-12-15T14:35:00.123456Z"; PostgreSQL reads it as a timestamptz.
std::string instant_text(rules::Instant instant);

// Reads what instant_text() and second_text() write; nothing: it is neither.
std::optional<rules::Instant> parse_instant(std::string_view text);

// Reads any RFC 3339 time, such as "2025-12-15T16:35:00.123456789+02:00"; what is finer than a
// microsecond is cut off. Nothing: it is none.
std::optional<rules::Instant> parse_rfc3339(std::string_view text);

}  // namespace rollbackd::engine
