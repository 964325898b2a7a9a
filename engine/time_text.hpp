#pragma once

#include <string>

#include "rules/time.hpp"

namespace rollbackd::engine {

// "2025-12-15T14:35:00Z", as the API and ops.get_deployment_health() write a second.
std::string second_text(rules::Second second);

// "2025-12-15T14:35:00.123456Z"; PostgreSQL reads it as a timestamptz.
std::string instant_text(rules::Instant instant);

}  // namespace rollbackd::engine
