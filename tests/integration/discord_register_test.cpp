#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/discord_commands.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/discord_standin.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

namespace {

const std::string bot_token = "MTk4NjIy.secret-bot.token";

// rollbackctl discord register, with a configuration whose other secrets cannot be read.
struct Registering {
  Registering() {
    std::filesystem::create_directories(folder);
    std::ofstream{folder / "bot"} << bot_token << '\n';
    std::string yaml = discord.configuration(false);
    yaml.insert(yaml.find('{') + 1, "bot_token_file: bot, ");
    std::ofstream{folder / "rollbackd.yaml"} << "database: {password_file: of-root}\n" << yaml;
  }
  ~Registering() {
    CHECK(output.find("secret-bot") == std::string::npos);
    std::filesystem::remove_all(folder);
  }
  Registering(const Registering&) = delete;
  Registering& operator=(const Registering&) = delete;

  int run(std::vector<std::string> more = {}) {
    std::vector<std::string> argv{ROLLBACKCTL_PROGRAM, "discord", "register", "--config",
                                  folder / "rollbackd.yaml"};
    argv.insert(argv.end(), more.begin(), more.end());
    output.clear();
    return run_program(argv, output);
  }
  [[nodiscard]] bool says(const std::string& text) const {
    return output.find(text) != std::string::npos;
  }

  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("rollbackd-register-" + std::to_string(::getpid()));
  DiscordStandIn discord;
  std::string output;
};

}  // namespace

TEST_CASE("discord register: puts the commands into the server with the bot's token, and says so") {
  Registering f;
  f.discord.rest.next({200, rollbackd::engine::discord_commands().dump()});
  CHECK(f.run() == 0);
  REQUIRE(f.discord.rest.requests().size() == 1);
  const StubRequest request = f.discord.rest.requests().front();
  CHECK(request.method + " " + request.target ==
        "PUT /api/applications/1111111111111111111/guilds/2222222222222222222/commands");
  CHECK(request.header("authorization") == "Bot " + bot_token);
  CHECK(json::parse(request.body) == rollbackd::engine::discord_commands());
  for (const char* text :
       {"/approve rollback", "/rollback status", "/rollback history", "/rollback pause",
        "/rollback resume", "/help rollback", "https://YOUR-HOST/discord/interactions"}) {
    CAPTURE(text);
    CHECK(f.says(text));
  }
}

TEST_CASE("discord register: --print sends nothing, --json shows the answer, flags count more") {
  Registering f;
  CHECK(f.run({"--print"}) == 0);
  CHECK(json::parse(f.output) == rollbackd::engine::discord_commands());
  CHECK(f.discord.rest.requests().empty());
  f.discord.rest.next({200, "[]"});
  CHECK(f.run({"--json", "--application", "77", "--guild", "88"}) == 0);
  CHECK(f.output == "[]\n");
  CHECK(f.discord.rest.requests().front().target == "/api/applications/77/guilds/88/commands");
}

TEST_CASE("discord register: each refusal says what it means and what to do") {
  Registering f;
  f.discord.rest.next({401, R"({"message":"401: Unauthorized","code":0})"});
  CHECK(f.run() == 6);
  CHECK(f.says("401: Unauthorized"));
  CHECK(f.says("Reset Token"));
  f.discord.rest.next({403, R"({"message":"Missing Access","code":50001})"});
  CHECK(f.run() == 6);
  CHECK(f.says("oauth2/authorize?client_id=1111111111111111111&scope=applications.commands"));
  f.discord.rest.next({404, R"({"message":"Unknown Application","code":10002})"});
  CHECK(f.run() == 1);
  CHECK(f.says("discord.application_id"));
  f.discord.rest.next({429,
                       R"({"message":"You are being rate limited.","retry_after":12.5})",
                       {{"Retry-After", "13"}}});
  CHECK(f.run() == 1);
  CHECK(f.says("Again in 13 s"));
  f.discord.rest.next(
      {400, R"({"message":"Invalid Form Body","errors":{"0":{"name":"\u001b[31m"}}})"});
  CHECK(f.run() == 1);
  CHECK(f.says("Invalid Form Body: {\"0\""));
  CHECK(f.output.find('\x1b') == std::string::npos);
  f.discord.rest.next({200, "<html>"});
  CHECK(f.run() == 1);
  CHECK(f.says("is not Discord"));
  CHECK(f.run({"--api-url", ClosedPort{}.url()}) == 6);
  CHECK(f.says("cannot be reached"));
}

TEST_CASE("discord register: what is missing is named with its flag; nothing is sent") {
  Registering f;
  std::string output;
  CHECK(run_program({ROLLBACKCTL_PROGRAM, "discord", "register"}, output) == 2);
  CHECK(output.find("--application ID") != std::string::npos);
  output.clear();
  CHECK(run_program(
            {ROLLBACKCTL_PROGRAM, "discord", "register", "--application", "1", "--guild", "2"},
            output) == 2);
  CHECK(output.find("--bot-token-file FILE") != std::string::npos);
  CHECK(f.run({"--bot-token-file", "/nowhere/bot"}) == 2);
  CHECK(f.says("does not exist"));
  std::ofstream{f.folder / "rollbackd.yaml"} << "discord: {public_key: x}\n";
  CHECK(f.run() == 2);
  CHECK(f.says("rollbackd.yaml:1:"));
  CHECK(f.discord.rest.requests().empty());
}
