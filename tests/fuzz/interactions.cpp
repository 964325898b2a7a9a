// What comes to POST /discord/interactions. Input: signature and timestamp on a line each, then the
// body; or `signed` instead of a signature, and it is signed as Discord does.

#include <algorithm>
#include <memory>

#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include "engine/discord/commands.hpp"
#include "engine/discord/texts.hpp"
#include "engine/settings_values.hpp"
#include "engine/utf8.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/promises.hpp"
#include "tests/support/api_kit.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::fuzz {
namespace {

using nlohmann::json;

constexpr rules::Second now = 1'765'809'300;
constexpr std::string_view application = "1111";
constexpr std::string_view guild = "2222";
constexpr std::string_view approvers = "3331";
constexpr std::string_view overriders = "3332";

// Discord's half of a pair of keys.
class Signer {
 public:
  Signer() {
    std::array<std::uint8_t, 32> secret{};
    secret.fill(7);
    key_.reset(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, secret.data(), secret.size()));
    std::size_t size = public_key.size();
    INVARIANT(key_ != nullptr &&
              EVP_PKEY_get_raw_public_key(key_.get(), public_key.data(), &size) == 1);
  }

  [[nodiscard]] std::string sign(const std::string& message) const {
    constexpr std::string_view digits = "0123456789abcdef";
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                          &EVP_MD_CTX_free};
    std::array<unsigned char, 64> signature{};
    std::size_t size = signature.size();
    INVARIANT(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
              EVP_DigestSign(context.get(), signature.data(), &size,
                             reinterpret_cast<const unsigned char*>(message.data()),
                             message.size()) == 1);
    std::string hex;
    for (const unsigned char byte : signature) {
      hex += digits[byte >> 4U];
      hex += digits[byte & 15U];
    }
    return hex;
  }

  std::array<std::uint8_t, 32> public_key{};

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{nullptr, &EVP_PKEY_free};
};

const Signer& discord() {
  static const Signer signer;
  return signer;
}

engine::DiscordSettings settings() {
  engine::DiscordSettings settings;
  settings.api_url = "http://127.0.0.1:9/api";
  settings.public_key = discord().public_key;
  settings.application_id = application;
  settings.guild_id = guild;
  settings.approver_roles = {std::string{approvers}};
  settings.override_roles = {std::string{overriders}};
  return settings;
}

class TwoServices final : public tests::EmptyView {
 public:
  TwoServices() {
    control_read = rules::ControlRead{};
    control_read->breakers.push_back({"production", "too many", rules::instant_of(now)});
  }
  [[nodiscard]] std::vector<rules::ServiceView> services() const override {
    return {service("v2.5.3", "abc12300-0000-4000-8000-000000000001", rules::State::proposed),
            service("v2.5.2", "abd45600-0000-4000-8000-000000000002", rules::State::healthy)};
  }

 private:
  static rules::ServiceView service(const char* version, const char* id, rules::State state) {
    rules::ServiceView view;
    view.service = {"production", version};
    view.deployment = rules::DeploymentId::parse(id).value();
    view.version = version;
    view.state = state;
    return view;
  }
};

// A daemon's side of it, made anew for each input; requests that it would send wait for a reactor
// that nobody runs.
struct Daemon {
  explicit Daemon(std::uint64_t mood) : is_standby{mood % 8 == 0} {
    constexpr std::uint64_t kinds = 11;  // a dry run is not asked for here
    rules::Answer answer;
    const std::uint64_t kind = mood / 8 % kinds;
    answer.kind = static_cast<rules::Answer::Kind>(kind == 0 ? 0 : kind + 1);
    if (answer.kind == rules::Answer::Kind::accepted || mood % 2 == 0) {
      answer.rollback = rules::Rollback{};
    }
    desk.at_once = answer;
  }

  engine::InteractionAnswer take(const engine::SignedBody& request) {
    int answers = 0;
    engine::InteractionAnswer given;
    commands.take(request, [&](engine::InteractionAnswer answer) {
      ++answers;
      given = std::move(answer);
    });
    INVARIANT(answers == 1);
    return given;
  }

  static engine::HttpClient& http() {
    static engine::asio::io_context never_run;
    static engine::HttpClient client{never_run.get_executor()};
    return client;
  }

  bool is_standby;
  TwoServices view;
  tests::HandDesk desk;
  tests::FixedArchive archive;
  tests::RecordingLog log;
  engine::asio::io_context reactor;
  engine::DiscordCommands commands{
      {view, desk, archive, http(), log, reactor.get_executor(),
       [] { return rules::instant_of(now); },
       [this] { return is_standby ? std::optional<std::string>{"db2"} : std::nullopt; }},
      settings()};
};

void look_at_message(const json& message) {
  const auto content = message.at("content").get<std::string>();
  INVARIANT(engine::utf16_length(content) <= 2000);
  INVARIANT(content.find_first_not_of(" \n\t") != std::string::npos);
  INVARIANT(message.at("allowed_mentions") == json({{"parse", json::array()}}));
}

// What Discord takes as an answer.
void look_at_answer(const std::string& text) {
  const json answer = json::parse(text);
  const int type = answer.at("type");
  INVARIANT(type == 1 || type == 4 || type == 5 || type == 8);
  if (type == 4) {
    look_at_message(answer.at("data"));
  }
  if (type == 8) {
    const json& choices = answer.at("data").at("choices");
    INVARIANT(choices.size() <= 25);
    for (const json& choice : choices) {
      for (const char* key : {"name", "value"}) {
        const std::size_t units = engine::utf16_length(choice.at(key).get<std::string>());
        INVARIANT(units >= 1 && units <= 100);
      }
    }
  }
}

// A text of the interaction; empty: there is none.
std::string text_at(const engine::JsonDocument& interaction, std::string_view pointer) {
  std::string_view text;
  const auto error = interaction.root().at_pointer(pointer).get(text);
  return error == simdjson::SUCCESS ? std::string{text} : "";
}

bool has_role(const engine::JsonDocument& interaction, std::string_view wanted) {
  simdjson::dom::array roles;
  if (interaction.root().at_pointer("/member/roles").get(roles) != simdjson::SUCCESS) {
    return false;
  }
  return std::any_of(roles.begin(), roles.end(), [wanted](const simdjson::dom::element& role) {
    std::string_view id;
    return role.get(id) == simdjson::SUCCESS && id == wanted;
  });
}

void look_at_said(const std::string& reason, const std::string& by) {
  INVARIANT(!reason.empty() && is_utf8(reason) && reason.find('\0') == std::string::npos);
  INVARIANT(by.starts_with("discord:") && is_utf8(by) && by.find('\n') == std::string::npos);
}

// Who may not did not, and what was done says why and by whom.
void look_at_rights(const Daemon& daemon, const engine::JsonDocument& interaction) {
  if (daemon.desk.asked.empty()) {
    return;
  }
  INVARIANT(daemon.desk.asked.size() == 1 && !daemon.is_standby);
  INVARIANT(text_at(interaction, "/application_id") == application &&
            text_at(interaction, "/guild_id") == guild);
  const bool may_override = has_role(interaction, overriders);
  INVARIANT(may_override || has_role(interaction, approvers));
  const engine::PersonsRequest& asked = daemon.desk.asked.front();
  if (const auto* rollback = std::get_if<rules::ManualRequest>(&asked)) {
    look_at_said(rollback->reason, rollback->initiated_by);
    INVARIANT(rollback->overrides.empty() || may_override);
  } else if (const auto* pause = std::get_if<rules::PauseRequest>(&asked)) {
    look_at_said(pause->reason, pause->by);
  } else {
    const auto& breaker = std::get<rules::CloseBreakerRequest>(asked);
    look_at_said(breaker.reason, breaker.by);
    INVARIANT(may_override);
  }
}

// The token is a secret, and what else is in the body goes into the log.
void look_at_secret(const Daemon& daemon, const engine::JsonDocument& interaction,
                    std::string_view body) {
  const std::string token = text_at(interaction, "/token");
  const bool is_only_that = token.starts_with("secret-") && body.find(token) == body.rfind(token);
  INVARIANT(!is_only_that || daemon.log.text().find(token) == std::string::npos);
}

void take_signed(std::string_view timestamp, std::string_view body) {
  Daemon daemon{number_of(body)};
  engine::SignedBody request{{}, std::string{timestamp}, std::string{body}};
  request.signature = discord().sign(request.timestamp + request.body);
  const engine::InteractionAnswer answer = daemon.take(request);
  const auto made = engine::signed_second(timestamp);
  const bool is_fresh = made && *made >= now && *made <= now + engine::ReplayGuard::window;
  INVARIANT((answer.status == 401) == !is_fresh);
  if (answer.status != 200) {
    INVARIANT(answer.status == 401 || answer.status == 400);
    INVARIANT(answer.json.empty() && !answer.error.empty() && is_one_line(answer.details));
    INVARIANT(daemon.desk.asked.empty());
    return;
  }
  look_at_answer(answer.json);
  const auto interaction = engine::JsonDocument::parse(body);
  INVARIANT(interaction);
  look_at_rights(daemon, *interaction);
  look_at_secret(daemon, *interaction, body);
  const std::size_t asked = daemon.desk.asked.size();
  INVARIANT(daemon.take(request).status == 401 && daemon.desk.asked.size() == asked);
}

void take_as_it_is(std::string_view signature, std::string_view timestamp, std::string_view body) {
  static const engine::SignatureCheck check{discord().public_key};
  const engine::SignedBody request{std::string{signature}, std::string{timestamp},
                                   std::string{body}};
  if (check.is_signed(request)) {
    std::string lowered = request.signature;
    std::transform(lowered.begin(), lowered.end(), lowered.begin(), [](char c) {
      return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    INVARIANT(lowered == discord().sign(request.timestamp + request.body));
  }
}

void run(std::string_view input) {
  const std::string_view signature = take_part(input);
  const std::string_view timestamp = take_part(input);
  if (signature == "signed") {
    take_signed(timestamp, input);
  } else {
    take_as_it_is(signature, timestamp, input);
  }
}

const Registered target{{"interactions", run}};

}  // namespace
}  // namespace rollbackd::fuzz
