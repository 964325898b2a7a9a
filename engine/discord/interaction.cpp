#include "engine/discord/interaction.hpp"

#include <algorithm>

#include "engine/json_document.hpp"
#include "engine/settings_values.hpp"

namespace rollbackd::engine {
namespace {

using simdjson::dom::element;

// Discord's tokens have some 200 characters.
constexpr std::size_t token_max = 1024;

std::optional<element> at(const element& object, std::string_view key) {
  element found;
  return object.at_key(key).get(found) == simdjson::SUCCESS ? std::optional{found} : std::nullopt;
}

std::string text_at(const element& object, std::string_view key) {
  const auto found = at(object, key);
  std::string_view text;
  return found && found->get(text) == simdjson::SUCCESS ? std::string{text} : "";
}

std::int64_t number_at(const element& object, std::string_view key) {
  const auto found = at(object, key);
  std::int64_t number = 0;
  return found && found->get(number) == simdjson::SUCCESS ? number : 0;
}

template <class Visit>
void each(const element& object, std::string_view key, Visit visit) {
  const auto found = at(object, key);
  simdjson::dom::array list;
  if (found && found->get(list) == simdjson::SUCCESS) {
    for (const element entry : list) {
      visit(entry);
    }
  }
}

InteractionKind kind_of(std::int64_t type) {
  switch (type) {
    case 1:
      return InteractionKind::ping;
    case 2:
      return InteractionKind::command;
    case 4:
      return InteractionKind::autocomplete;
    default:
      return InteractionKind::other;
  }
}

bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= token_max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.' || c == '=';
         });
}

// A number is what was typed, too.
std::string value_of(const element& option) {
  const auto value = at(option, "value");
  std::int64_t number = 0;
  if (value && value->get(number) == simdjson::SUCCESS) {
    return std::to_string(number);
  }
  return text_at(option, "value");
}

void read_command(const element& root, Interaction& interaction) {
  const auto data = at(root, "data");
  if (!data) {
    return;
  }
  interaction.command = text_at(*data, "name");
  each(*data, "options", [&](const element& subcommand) {
    interaction.subcommand = text_at(subcommand, "name");
    each(subcommand, "options", [&](const element& option) {
      const std::string name = text_at(option, "name");
      interaction.options.insert_or_assign(name, value_of(option));
      const auto focused = at(option, "focused");
      bool is_focused = false;
      if (focused && focused->get(is_focused) == simdjson::SUCCESS && is_focused) {
        interaction.focused = name;
      }
    });
  });
}

}  // namespace

std::string_view Interaction::option(std::string_view name) const {
  const auto found = options.find(name);
  return found == options.end() ? std::string_view{} : std::string_view{found->second};
}

Result<Interaction> read_interaction(std::string_view body) {
  const auto document = JsonDocument::parse(body);
  if (!document) {
    return Error{"the body is no JSON: " + document.error().what, {}};
  }
  const element& root = document->root();
  Interaction interaction;
  interaction.kind = kind_of(number_at(root, "type"));
  interaction.id = text_at(root, "id");
  interaction.application = text_at(root, "application_id");
  interaction.token = text_at(root, "token");
  interaction.guild = text_at(root, "guild_id");
  if (const auto member = at(root, "member")) {
    if (const auto user = at(*member, "user")) {
      interaction.user = text_at(*user, "id");
      interaction.user_name = text_at(*user, "username");
    }
    each(*member, "roles", [&](const element& role) {
      std::string_view id;
      if (role.get(id) == simdjson::SUCCESS) {
        interaction.roles.emplace_back(id);
      }
    });
  }
  read_command(root, interaction);
  if (!is_snowflake(interaction.id)) {
    return Error{"the interaction has no id", {}};
  }
  if (interaction.kind != InteractionKind::ping && !is_token(interaction.token)) {
    return Error{"the interaction has no token", {}};
  }
  if (!interaction.guild.empty() && !is_snowflake(interaction.user)) {
    return Error{"the interaction names no member", {}};
  }
  return interaction;
}

}  // namespace rollbackd::engine
