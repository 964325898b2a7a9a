#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace rollbackd::engine {

// What the payload of an alert holds under a key, if it is a text; else empty.
std::string text_of(const nlohmann::json& alert, std::string_view key);

// A uuid, or nothing: what is put into a command to be copied must be nothing else. Nothing also
// where the alert is about no rollback or deployment.
std::string id_of(const nlohmann::json& alert, std::string_view key);

// What a person can do about the alert, in Markdown; empty: nothing has to be done. At most
// advice_max UTF-16 units, whatever is in the alert.
inline constexpr std::size_t advice_max = 600;
std::string advice_for(const nlohmann::json& alert);

}  // namespace rollbackd::engine
