#pragma once

#include <cstddef>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

// The commands that people have in Discord: what is registered there, and the words by which it
// comes back.
namespace rollbackd::engine::discord_words {

inline constexpr std::string_view approve = "approve";
inline constexpr std::string_view rollback = "rollback";
inline constexpr std::string_view help = "help";

inline constexpr std::string_view status = "status";
inline constexpr std::string_view history = "history";
inline constexpr std::string_view pause = "pause";
inline constexpr std::string_view resume = "resume";

inline constexpr std::string_view deployment_id = "deployment_id";
inline constexpr std::string_view reason = "reason";
inline constexpr std::string_view override_option = "override";
inline constexpr std::string_view breaker = "breaker";
inline constexpr std::string_view limit = "limit";

inline constexpr std::size_t reason_max = 500;  // characters
inline constexpr int history_rows = 5;
inline constexpr int history_rows_max = 10;

}  // namespace rollbackd::engine::discord_words

namespace rollbackd::engine {

// The body of PUT /applications/{application}/guilds/{guild}/commands.
nlohmann::json discord_commands();

}  // namespace rollbackd::engine
