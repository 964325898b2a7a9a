#pragma once

#include "engine/settings_reader.hpp"

namespace rollbackd::engine {

// `notify`: where people are told.
void read_notify(const Value& value, DiscordSettings& discord);

// `discord`: who may give commands there, and how they are known to come from it.
void read_discord(const Value& value, DiscordSettings& discord);

}  // namespace rollbackd::engine
