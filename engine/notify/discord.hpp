#pragma once

#include <string>

#include "engine/result.hpp"

namespace rollbackd::engine {

// The body of a Discord webhook for one alert (engine/rollback_json.cpp writes its JSON): one
// embed within Discord's limits whatever the alert holds, and nobody is mentioned by anything in
// it. What is missing in the alert is left out; an error only when it is no JSON object.
Result<std::string> discord_body(const std::string& alert);

}  // namespace rollbackd::engine
