#include "tests/support/discord_standin.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include <openssl/evp.h>

#include "tests/support/raw_http.hpp"

namespace rollbackd::tests {
namespace {

using nlohmann::json;

std::string hex_of(const unsigned char* bytes, std::size_t count) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += digits[bytes[i] >> 4U];
    text += digits[bytes[i] & 15U];
  }
  return text;
}

// No two in one run, and hardly in two runs.
std::string next_id() {
  static std::atomic<std::int64_t> last{
      std::chrono::system_clock::now().time_since_epoch().count()};
  return std::to_string(++last);
}

json interaction(int type, const std::string& command, json subcommand, const std::string& role) {
  const std::string id = next_id();
  return {{"type", type},
          {"id", id},
          {"application_id", discord_application},
          {"guild_id", discord_guild},
          {"channel_id", "5555555555555555555"},
          {"token", "secret-token-" + id},
          {"version", 1},
          {"member",
           {{"user", {{"id", "4444444444444444444"}, {"username", "ann"}, {"global_name", "Ann"}}},
            {"roles", {"3333333333333333339", role}},
            {"permissions", "2147483648"}}},
          {"data",
           {{"id", "6666666666666666666"},
            {"name", command},
            {"type", 1},
            {"options", json::array({std::move(subcommand)})}}}};
}

json options_of(const DiscordOptions& options, const std::string& focused) {
  json all = json::array();
  for (const auto& [name, value] : options) {
    json option{{"type", value.is_number() ? 4 : 3}, {"name", name}, {"value", value}};
    if (name == focused) {
      option["focused"] = true;
    }
    all.push_back(std::move(option));
  }
  return all;
}

}  // namespace

std::string discord_signature(const std::string& timestamp, const std::string& body) {
  std::array<unsigned char, 32> seed{};
  seed.fill(7);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()),
      EVP_PKEY_free};
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free};
  const std::string message = timestamp + body;
  std::array<unsigned char, 64> signature{};
  std::size_t length = signature.size();
  EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get());
  EVP_DigestSign(context.get(), signature.data(), &length,
                 reinterpret_cast<const unsigned char*>(message.data()), message.size());
  return hex_of(signature.data(), length);
}

json discord_command(const std::string& command, const std::string& subcommand,
                     const DiscordOptions& options, const std::string& role) {
  return interaction(
      2, command, {{"type", 1}, {"name", subcommand}, {"options", options_of(options, "")}}, role);
}

json discord_typing(const std::string& command, const std::string& subcommand,
                    const DiscordOptions& options, const std::string& focused,
                    const std::string& role) {
  return interaction(4, command,
                     {{"type", 1}, {"name", subcommand}, {"options", options_of(options, focused)}},
                     role);
}

std::string DiscordStandIn::configuration(bool with_channel) const {
  const std::string api = rest.url("/api");
  return "discord: {api_url: \"" + api + "\", public_key: \"" + std::string{discord_public_key} +
         "\", application_id: \"" + discord_application + "\", guild_id: " + discord_guild +
         ", approver_roles: [" + discord_approvers + "], override_roles: [" + discord_overriders +
         "]}\n" +
         (with_channel
              ? "notify: {discord: {webhook_url: \"" + api + "/webhooks/777/channel-secret\"}}\n"
              : "");
}

std::string DiscordStandIn::now() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(since_1970).count());
}

HttpAnswer DiscordStandIn::interact(int port, const json& interaction) {
  const std::string body = interaction.dump();
  const std::string timestamp = now();
  return post(port, discord_signature(timestamp, body), timestamp, body);
}

HttpAnswer DiscordStandIn::post(int port, const std::string& signature,
                                const std::string& timestamp, const std::string& body) {
  const std::string answer =
      talk(static_cast<std::uint16_t>(port),
           "POST /discord/interactions HTTP/1.1\r\nHost: rollbackd.example\r\n"
           "Content-Type: application/json\r\nConnection: close\r\nX-Signature-Ed25519: " +
               signature + "\r\nX-Signature-Timestamp: " + timestamp +
               "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  return {status_of(answer), answer, body_of(answer)};
}

std::vector<std::string> DiscordStandIn::edits(const json& interaction) const {
  const std::string target = std::string{"/api/webhooks/"} + discord_application + "/" +
                             interaction.at("token").get<std::string>() + "/messages/@original";
  std::vector<std::string> contents;
  for (const StubRequest& request : rest.requests()) {
    if (request.target == target && request.method == "PATCH") {
      contents.push_back(json::parse(request.body).at("content"));
    }
  }
  return contents;
}

std::vector<StubRequest> DiscordStandIn::channel() const {
  std::vector<StubRequest> found;
  for (const StubRequest& request : rest.requests()) {
    if (request.target.starts_with("/api/webhooks/777/channel-secret")) {
      found.push_back(request);
    }
  }
  return found;
}

}  // namespace rollbackd::tests
