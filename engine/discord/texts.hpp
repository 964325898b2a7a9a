#pragma once

#include <string>

#include "engine/ports.hpp"

// What people read, as Markdown of Discord. Whatever came from outside is escaped; each text fits
// into a message.
namespace rollbackd::engine {

std::string help_text();

// What serves and how it does, those in need first. `other_leader`: who leads instead of this
// daemon; empty: nobody is known, nothing: this one leads.
std::string status_text(const View& view, const std::optional<std::string>& other_leader);

// `rows`: the JSON array that an Archive gives.
std::string history_text(const std::string& rows);

std::string pause_text(const rules::Pause& pause, const std::string& person);
std::string breaker_text(const std::string& environment, const std::string& person);

// "<t:1700000000:R>": Discord shows it as "3 minutes ago", and goes on counting.
std::string since(rules::Second second);

}  // namespace rollbackd::engine
