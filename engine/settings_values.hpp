#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/settings.hpp"
#include "rules/time.hpp"

// How single values of the configuration are written. Text in, value out; no files, no YAML.
namespace rollbackd::engine {

// "250ms", "60s", "5m", "1h", "400d": a whole number and a unit, at most ten years.
std::optional<rules::Duration> duration_named(std::string_view text);

// What was probably meant: "5 min" -> "5m", "60" -> "60s"; empty: no idea.
std::string duration_meant(std::string_view text);

// With the largest unit that divides it: 15m, not 900s.
std::string duration_text(rules::Duration duration);

bool is_bare_number(std::string_view text);
std::optional<double> number_named(std::string_view text);  // finite

// "127.0.0.1:9641", "[::1]:9641", ":9641", "localhost:9641". No other names: looking one up could
// hang.
std::optional<ListenAddress> listen_address_named(std::string_view text);

// The bytes of exactly two hexadecimal digits each. False: it is something else.
bool read_hex(std::string_view text, std::span<std::uint8_t> into);

std::optional<std::array<std::uint8_t, 32>> sha256_named(std::string_view text);

// An id as Discord makes them, of a guild, a role or an application: up to 20 digits.
bool is_snowflake(std::string_view text);

// Why this URL is not asked; empty: it may be. Plain http only to this very machine.
std::string_view objection_to_url(std::string_view url);

// Why this is no secret as Standard Webhooks has it, whsec_ and base64; empty: it is one.
std::string_view objection_to_webhook_secret(std::string_view secret);

// The {placeholders} in one argument of a command, without their braces.
std::vector<std::string_view> placeholders_in(std::string_view argument);

// The name that a misspelt one was probably meant to be; empty: none is near.
std::string_view closest(std::string_view text, const std::vector<std::string_view>& names);

// A text as it may stand in a message: cut, in UTF-8, with ? for what would not be seen as it is,
// such as control characters; shown() quotes it.
std::string readable(std::string_view text);
std::string shown(std::string_view text);

}  // namespace rollbackd::engine
