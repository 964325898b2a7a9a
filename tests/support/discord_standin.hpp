#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/http_request.hpp"
#include "tests/support/http_stub.hpp"

namespace rollbackd::tests {

// Of the key whose 32 bytes are all 7.
inline constexpr std::string_view discord_public_key =
    "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";

// As Discord signs, with that key: hexadecimal.
std::string discord_signature(const std::string& timestamp, const std::string& body);

inline constexpr const char* discord_application = "1111111111111111111";
inline constexpr const char* discord_guild = "2222222222222222222";
inline constexpr const char* discord_approvers = "3333333333333333331";
inline constexpr const char* discord_overriders = "3333333333333333332";

// Texts of a command's options, in their order.
using DiscordOptions = std::vector<std::pair<std::string, nlohmann::json>>;

// What Discord sends when a member uses a command. Each has an id and a token of its own.
nlohmann::json discord_command(const std::string& command, const std::string& subcommand,
                               const DiscordOptions& options = {},
                               const std::string& role = discord_approvers);

// The same while the option `focused` is being typed.
nlohmann::json discord_typing(const std::string& command, const std::string& subcommand,
                              const DiscordOptions& options, const std::string& focused,
                              const std::string& role = discord_approvers);

// In place of Discord: its REST API on a free port, where messages are edited and the channel's
// webhook is, and the client that brings signed interactions.
class DiscordStandIn {
 public:
  DiscordStandIn() { rest.otherwise({200, R"({"id":"900"})"}); }

  // Lines of a configuration; with the channel's webhook or without.
  [[nodiscard]] std::string configuration(bool with_channel = true) const;

  // Sends it to the daemon on this port, signed at this moment.
  static HttpAnswer interact(int port, const nlohmann::json& interaction);
  // Sends it as it is.
  static HttpAnswer post(int port, const std::string& signature, const std::string& timestamp,
                         const std::string& body);
  static std::string now();

  // What the answer to this interaction was made to say, edit by edit.
  [[nodiscard]] std::vector<std::string> edits(const nlohmann::json& interaction) const;
  // Requests to the channel's webhook, as method, target and content.
  [[nodiscard]] std::vector<StubRequest> channel() const;

  HttpStub rest;
};

}  // namespace rollbackd::tests
