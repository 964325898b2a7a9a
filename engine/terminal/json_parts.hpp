#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

// Parts of foreign JSON: what is absent, or of another kind than asked for, is nothing, and never
// an exception.
namespace rollbackd::terminal {

// Empty: it is no text.
std::string text_of(const nlohmann::json& object, const std::string& key);

// The same for a terminal, which obeys control characters.
std::string shown_of(const nlohmann::json& object, const std::string& key);

// Null: it is not there.
nlohmann::json part(const nlohmann::json& object, const std::string& key);

// Empty: it is no list.
nlohmann::json rows_of(const nlohmann::json& object, const std::string& key);

// 0: it is no number.
double number_of(const nlohmann::json& object, const std::string& key);

// Only `true` itself is.
bool is_true(const nlohmann::json& object, const std::string& key);

}  // namespace rollbackd::terminal
