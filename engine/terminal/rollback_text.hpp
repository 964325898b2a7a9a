#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace rollbackd::terminal {

// The whole story of a rollback, for people: the row as GET …/events/{event_id} or inquire() gives
// it. What is not in it is not told.
std::string rollback_text(const nlohmann::json& row);

// Rows of ops.roman_events, one line each, and under those that name reasons what these mean.
std::string decisions_text(const nlohmann::json& events);

// "2026-11-26 17:23:19 UTC" of a time as JSON has it; "-" when it is none.
std::string time_text(const std::string& timestamp);

}  // namespace rollbackd::terminal
