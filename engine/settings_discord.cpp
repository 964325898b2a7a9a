#include "engine/settings_discord.hpp"

#include <algorithm>
#include <array>

#include "engine/settings_values.hpp"

namespace rollbackd::engine {
namespace {

// Discord itself has at most 250 roles in a guild.
constexpr std::size_t roles_max = 250;

constexpr std::string_view a_public_key =
    "the 64 hexadecimal digits that the application's page \"General Information\" shows as Public "
    "Key";

std::optional<std::string> read_id(const Value& value, std::string_view expected) {
  const auto text = value.text(expected);
  if (text && !is_snowflake(*text)) {
    value.object("is " + shown(*text), expected);
    return std::nullopt;
  }
  return text;
}

void read_id(const Section& section, std::string_view key, std::string& into,
             std::string_view expected) {
  if (const Value* value = section.find(key)) {
    take(into, read_id(*value, expected));
  } else {
    section.whole().object("has no " + std::string{key}, expected);
  }
}

std::vector<std::string> read_roles(const Value& value, bool may_be_empty) {
  constexpr std::string_view a_role =
      "the id of a role (Server Settings, Roles, Copy Role ID in developer mode)";
  std::vector<std::string> roles;
  const auto given = value.list("a list of ids of roles");
  if (given && given->empty() && !may_be_empty) {
    value.object("is empty", "the roles whose members may roll back: nobody could");
  }
  if (given && given->size() > roles_max) {
    value.object("has " + std::to_string(given->size()) + " roles",
                 "at most " + std::to_string(roles_max));
    return roles;
  }
  for (const Value& entry : given.value_or(std::vector<Value>{})) {
    const auto role = read_id(entry, a_role);
    if (role && std::find(roles.begin(), roles.end(), *role) != roles.end()) {
      entry.object("is " + shown(*role) + " again", "each role once");
    } else if (role) {
      roles.push_back(*role);
    }
  }
  return roles;
}

void read_public_key(const Section& section, DiscordSettings& discord) {
  const Value* value = section.find("public_key");
  if (value == nullptr) {
    section.whole().object("has no public_key", a_public_key);
    return;
  }
  const auto text = value->text(a_public_key);
  std::array<std::uint8_t, 32> key{};
  if (text && !read_hex(*text, key)) {
    // The bot's token is on the page beside it, so what was given is not shown.
    value->object("is no key", a_public_key);
  }
  discord.public_key = key;
}

}  // namespace

void read_discord(const Value& value, DiscordSettings& discord) {
  const Section section{value,
                        {"api_url", "public_key", "application_id", "guild_id", "approver_roles",
                         "override_roles", "bot_token", "bot_token_file"}};
  if (section.is_empty()) {
    return;
  }
  if (const Value* url = section.find("api_url")) {
    if (auto text = url->url()) {
      while (text->ends_with('/')) {
        text->pop_back();
      }
      discord.api_url = *text;
    }
  }
  read_public_key(section, discord);
  read_id(section, "application_id", discord.application_id,
          "the Application ID of the application's page \"General Information\"");
  read_id(section, "guild_id", discord.guild_id,
          "the id of the one server whose members may give commands (Copy Server ID in developer "
          "mode)");
  if (const Value* roles = section.find("approver_roles")) {
    discord.approver_roles = read_roles(*roles, false);
  } else {
    value.object("has no approver_roles", "approver_roles: [ids of the roles that may roll back]");
  }
  if (const Value* roles = section.find("override_roles")) {
    discord.override_roles = read_roles(*roles, true);
  }
  discord.bot_token = section.secret("bot_token").value_or(Secret{});
}

void read_notify(const Value& value, DiscordSettings& discord) {
  const Section section{value, {"discord"}};
  const Value* given = section.find("discord");
  if (given == nullptr) {
    return;
  }
  const Section inner{*given, {"webhook_url", "webhook_url_file"}};
  discord.webhook_url = inner.secret("webhook_url").value_or(Secret{});
  if (discord.webhook_url.empty()) {
    return;
  }
  const auto objection = objection_to_url(discord.webhook_url.reveal());
  if (!objection.empty()) {
    const Value* place = inner.find("webhook_url");
    (place != nullptr ? place : inner.find("webhook_url_file"))
        ->object(objection, "an https URL (plain http only to this machine)");
  }
}

}  // namespace rollbackd::engine
