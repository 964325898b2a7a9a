#pragma once

#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/discord/commands.hpp"
#include "engine/settings_values.hpp"
#include "tests/support/api_kit.hpp"
#include "tests/support/discord_standin.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::tests {

// A view whose services the test sets.
class SetView final : public EmptyView {
 public:
  [[nodiscard]] std::vector<rules::ServiceView> services() const override { return set; }
  [[nodiscard]] rules::Second as_of() const override { return 1'765'800'000; }

  std::vector<rules::ServiceView> set;
};

inline rules::ServiceView a_service(const std::string& version, const std::string& id,
                                    rules::State state = rules::State::healthy,
                                    const std::string& name = "app") {
  rules::ServiceView service;
  service.service = {"production", name};
  service.deployment = rules::DeploymentId::parse(id).value();
  service.version = version;
  service.state = state;
  return service;
}

inline const std::string discord_bad_id = "abc12300-0000-4000-8000-000000000001";
inline const std::string discord_other_id = "abd45600-0000-4000-8000-000000000002";

inline rules::Rollback a_shown_rollback() {
  rules::Rollback rollback;
  rollback.id = rules::EventId::parse("11111111-1111-4111-8111-111111111111").value();
  rollback.deployment = rules::DeploymentId::parse(discord_bad_id).value();
  rollback.version = "v2.5.3";
  rollback.git_commit = "badc0de";
  rollback.service = {"production", "app"};
  rollback.type = rules::TriggerType::manual;
  rollback.reason = "Critical bug in payment flow";
  rollback.decided_at = rules::instant_of(1'765'800'000);
  rollback.target = rules::Target{{}, "v2.5.2", "a7f3b29", {}, true};
  rollback.executor = "command";
  return rollback;
}

// The commands with everything they are answered from in the test's hands.
struct DiscordKit {
  explicit DiscordKit(engine::MessageTimes times = quick()) {
    settings.api_url = discord.rest.url("/api");
    std::array<std::uint8_t, 32> key{};
    REQUIRE(engine::read_hex(discord_public_key, key));
    settings.public_key = key;
    settings.application_id = discord_application;
    settings.guild_id = discord_guild;
    settings.approver_roles = {discord_approvers};
    settings.override_roles = {discord_overriders};
    settings.webhook_url = engine::Secret{discord.rest.url("/api/webhooks/777/channel-secret")};
    commands.emplace(engine::DiscordSources{view, desk, archive, http, log, reactor.get_executor(),
                                            [this] { return rules::instant_of(now); },
                                            [this] { return leader; }},
                     settings, times);
    view.set = {a_service("v2.5.2", discord_other_id, rules::State::healthy, "web"),
                a_service("v2.5.3", discord_bad_id, rules::State::proposed)};
  }
  ~DiscordKit() { CHECK(log.text().find("secret-") == std::string::npos); }
  DiscordKit(const DiscordKit&) = delete;
  DiscordKit& operator=(const DiscordKit&) = delete;

  static engine::MessageTimes quick() {
    engine::MessageTimes times;
    times.first_edit_after = std::chrono::milliseconds{1};
    times.between_edits = std::chrono::milliseconds{1};
    return times;
  }

  engine::InteractionAnswer take_signed(const engine::SignedBody& request) {
    std::vector<engine::InteractionAnswer> answers;
    commands->take(request,
                   [&](engine::InteractionAnswer answer) { answers.push_back(std::move(answer)); });
    REQUIRE(answers.size() == 1);
    return answers.front();
  }
  engine::InteractionAnswer take_text(const std::string& body) {
    const std::string timestamp = std::to_string(now);
    return take_signed({discord_signature(timestamp, body), timestamp, body});
  }
  // The answer of an accepted request.
  nlohmann::json take(const nlohmann::json& interaction) {
    const engine::InteractionAnswer answer = take_text(interaction.dump());
    REQUIRE(answer.status == 200);
    return nlohmann::json::parse(answer.json);
  }
  // The only-for-you message of an accepted request.
  std::string notice(const nlohmann::json& interaction) {
    const nlohmann::json answer = take(interaction);
    REQUIRE(answer["type"] == 4);
    CHECK(answer["data"]["flags"] == 64);
    return answer["data"]["content"];
  }
  nlohmann::json approve(const std::string& deployment, const std::string& role = discord_approvers,
                         const std::string& override_text = "") {
    DiscordOptions options{{"deployment_id", deployment},
                           {"reason", "Critical bug in payment flow"}};
    if (!override_text.empty()) {
      options.emplace_back("override", override_text);
    }
    return discord_command("approve", "rollback", options, role);
  }
  void run_until_edits(std::size_t count) {
    REQUIRE(run_until(reactor, [&] { return discord.rest.requests().size() >= count; }));
  }

  DiscordStandIn discord;
  engine::DiscordSettings settings;
  SetView view;
  HandDesk desk;
  FixedArchive archive;
  RecordingLog log;
  rules::Second now = 1'765'800'000;
  std::optional<std::string> leader;
  engine::asio::io_context reactor;
  engine::HttpClient http{reactor.get_executor()};
  std::optional<engine::DiscordCommands> commands;
};

}  // namespace rollbackd::tests
