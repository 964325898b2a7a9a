#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace rollbackd::terminal {

// What happened to a deployment and what did not, and why, for people: a row of inquire().
// `triggers`: the trigger table of its service, to compare the worst of its errors with, as rows
// {name, signal, window_seconds, above, action}.
std::string deployment_text(const nlohmann::json& row, const nlohmann::json& triggers);

}  // namespace rollbackd::terminal
