#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.hpp"

namespace rollbackd::engine {

enum class InteractionKind { ping, command, autocomplete, other };

// What somebody did in Discord. Texts are as they came; ids and the token can stand in a URL.
struct Interaction {
  InteractionKind kind = InteractionKind::other;
  std::string id;
  std::string application;
  std::string token;  // a secret for 15 minutes
  std::string guild;  // empty: it came from a direct message
  std::string user;
  std::string user_name;
  std::vector<std::string> roles;

  std::string command;
  std::string subcommand;
  std::map<std::string, std::string, std::less<>> options;
  std::string focused;  // of an autocompletion: the option that is being typed

  // Empty: it was not given.
  [[nodiscard]] std::string_view option(std::string_view name) const;
};

// The error says what is missing and shows nothing of it.
Result<Interaction> read_interaction(std::string_view body);

}  // namespace rollbackd::engine
