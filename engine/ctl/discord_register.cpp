#include "engine/ctl/discord_register.hpp"

#include <iostream>
#include <optional>

#include "engine/asio.hpp"
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "engine/ctl/client.hpp"
#include "engine/discord_commands.hpp"
#include "engine/foreign_json.hpp"
#include "engine/outgoing/discord_rest.hpp"
#include "engine/outgoing/http_client.hpp"
#include "engine/secret_file.hpp"
#include "engine/settings.hpp"
#include "engine/settings_values.hpp"
#include "engine/terminal/json_parts.hpp"
#include "engine/terminal/screen.hpp"

namespace rollbackd::ctl {
namespace {

using nlohmann::json;
using terminal::printable;

constexpr std::chrono::seconds deadline{30};
constexpr std::size_t shown_max = 600;

void complain(const std::string& what, const std::string& remedy) {
  std::cerr << "rollbackctl: " << what << '\n';
  if (!remedy.empty()) {
    std::cerr << "  " << remedy << '\n';
  }
}

// The configuration with the flags over it; nothing: it was complained about.
std::optional<engine::DiscordSettings> settings_of(const DiscordArguments& arguments) {
  engine::DiscordSettings settings;
  if (!arguments.config.empty()) {
    auto loaded = engine::load_discord_settings(arguments.config);
    if (const auto* problems = std::get_if<std::vector<engine::SettingsProblem>>(&loaded)) {
      for (const engine::SettingsProblem& problem : *problems) {
        std::cerr << engine::describe(arguments.config, problem) << '\n';
      }
      return std::nullopt;
    }
    settings = std::get<engine::DiscordSettings>(std::move(loaded));
  }
  const auto take = [](std::string& into, const std::string& given) {
    into = given.empty() ? into : given;
  };
  take(settings.api_url, arguments.api_url);
  take(settings.application_id, arguments.application);
  take(settings.guild_id, arguments.guild);
  if (!arguments.bot_token_file.empty()) {
    auto token = engine::read_secret_file(arguments.bot_token_file);
    if (!token) {
      complain("--bot-token-file " + arguments.bot_token_file + " " + token.error().what,
               "expected " + token.error().remedy);
      return std::nullopt;
    }
    settings.bot_token = engine::Secret{std::move(*token)};
  }
  return settings;
}

// Whether all that is needed is there and can be used.
bool is_whole(const engine::DiscordSettings& settings) {
  const auto wrong = [](const std::string& what, const char* key, const char* flag) {
    complain(what, std::string{"Give rollbackd's configuration with discord."} + key +
                       " in it (--config FILE), or " + flag + ".");
    return false;
  };
  const auto found = [](const std::string& id) {
    return id.empty() ? std::string{"missing"} : engine::shown(id) + ", expected digits";
  };
  if (!engine::is_snowflake(settings.application_id)) {
    return wrong("the application's id is " + found(settings.application_id), "application_id",
                 "--application ID");
  }
  if (!engine::is_snowflake(settings.guild_id)) {
    return wrong("the server's id is " + found(settings.guild_id), "guild_id", "--guild ID");
  }
  if (settings.bot_token.empty()) {
    return wrong("the bot token is missing", "bot_token_file", "--bot-token-file FILE");
  }
  if (const auto objection = engine::objection_to_url(settings.api_url); !objection.empty()) {
    complain("--api-url " + std::string{objection}, "expected https (plain http to loopback only)");
    return false;
  }
  return true;
}

engine::HttpOutcome put(const engine::DiscordSettings& settings, const json& commands) {
  engine::asio::io_context reactor;
  engine::HttpClient client{reactor.get_executor()};
  engine::HttpRequest request;
  request.method = "PUT";
  request.url = settings.api_url + "/applications/" + settings.application_id + "/guilds/" +
                settings.guild_id + "/commands";
  request.headers = engine::discord_headers();
  request.headers.emplace_back("Authorization", "Bot " + settings.bot_token.reveal());
  request.body = commands.dump();
  request.deadline = deadline;
  engine::HttpOutcome outcome;
  client.send(std::move(request),
              [&outcome](engine::HttpOutcome got) { outcome = std::move(got); });
  reactor.run();
  return outcome;
}

// What Discord itself says, on one line; it repeats no token.
std::string words_of(const engine::HttpResponse& response) {
  const auto body = engine::foreign_json(response.body);
  std::string text = engine::text_in(body, "message");
  if (body.is_object() && body.contains("errors")) {
    text += (text.empty() ? "" : ": ") +
            body["errors"].dump(-1, ' ', false, json::error_handler_t::replace);
  }
  return printable(text.substr(0, shown_max));
}

int refused(const engine::DiscordSettings& settings, const engine::HttpResponse& response) {
  const std::string said = words_of(response);
  const std::string what = "Discord answered " + std::to_string(response.status) +
                           (said.empty() ? "" : " (" + said + ")");
  switch (response.status) {
    case 401:
      complain(
          what + ": the bot token is not accepted",
          "The application's page \"Bot\" makes a new one (Reset Token); put it into the file of "
          "discord.bot_token_file.");
      return exit_no_server;
    case 403:
      complain(what + ": the application is not in the server " + settings.guild_id,
               "Somebody who may manage the server has to let it in: "
               "https://discord.com/oauth2/authorize?client_id=" +
                   settings.application_id +
                   "&scope=applications.commands&guild_id=" + settings.guild_id);
      return exit_no_server;
    case 404:
      complain(
          what + ": there is no application " + settings.application_id + ", or no server " +
              settings.guild_id,
          "Compare discord.application_id with the application's page \"General Information\", "
          "discord.guild_id with Copy Server ID in the server's menu (developer mode).");
      return exit_failed;
    case 429: {
      const auto wait = response.header("Retry-After");
      complain(what + ": too many requests",
               wait ? "Again in " + printable(*wait) + " s." : "Again in a few minutes.");
      return exit_failed;
    }
    default:
      complain(what, response.status >= 500 ? "Discord has trouble: again in a few minutes." : "");
      return exit_failed;
  }
}

void tell(const engine::DiscordSettings& settings, const json& registered) {
  std::cout << "Registered in the server " << settings.guild_id << ":\n";
  for (const json& command : registered) {
    for (const json& subcommand : terminal::rows_of(command, "options")) {
      std::cout << "  /" << terminal::shown_of(command, "name") << " "
                << terminal::shown_of(subcommand, "name") << "  "
                << terminal::shown_of(subcommand, "description") << '\n';
    }
  }
  std::cout
      << "Still to do, once: on the application's page \"General Information\" the Interactions "
         "Endpoint URL,\n  https://YOUR-HOST/discord/interactions. Who may use the commands is "
         "discord.approver_roles.\n";
}

}  // namespace

void add_discord(CLI::App& app, DiscordArguments& arguments) {
  CLI::App* discord = app.add_subcommand("discord", "the commands in Discord");
  discord->require_subcommand(1);
  CLI::App* command = discord->add_subcommand(
      "register", "put the commands into the server, in place of this application's own there");
  command->add_option("--config", arguments.config,
                      "rollbackd's configuration; only its section discord is read");
  command->add_option("--application", arguments.application, "instead of discord.application_id");
  command->add_option("--guild", arguments.guild, "instead of discord.guild_id");
  command->add_option("--bot-token-file", arguments.bot_token_file,
                      "instead of discord.bot_token_file");
  command->add_option("--api-url", arguments.api_url, "instead of discord.api_url");
  command->add_flag("--print", arguments.print, "print what would be sent, and send nothing");
  command->add_flag("--json", arguments.json, "print what Discord answered");
  command->callback([&arguments] { arguments.chosen = true; });
}

int register_commands(const DiscordArguments& arguments) {
  const json commands = engine::discord_commands();
  if (arguments.print) {
    std::cout << commands.dump(2) << '\n';
    return exit_ok;
  }
  const auto settings = settings_of(arguments);
  if (!settings || !is_whole(*settings)) {
    return exit_usage;
  }
  const engine::HttpOutcome outcome = put(*settings, commands);
  if (!outcome.response) {
    complain("Discord cannot be reached: " + outcome.failure.what,
             "Proxies are taken from https_proxy, as curl does.");
    return exit_no_server;
  }
  if (!outcome.response->is_success()) {
    return refused(*settings, *outcome.response);
  }
  const auto registered = engine::foreign_json(outcome.response->body);
  if (!registered.is_array()) {
    complain("what answers at " + engine::origin_of(settings->api_url) + " is not Discord",
             "Compare discord.api_url with https://discord.com/api/v10, which is the default.");
    return exit_failed;
  }
  if (arguments.json) {
    std::cout << outcome.response->body << '\n';
  } else {
    tell(*settings, registered);
  }
  return exit_ok;
}

}  // namespace rollbackd::ctl
