#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

#include <doctest/doctest.h>

#include "engine/settings.hpp"

namespace rollbackd::engine {
namespace {

const std::string key(64, 'a');

std::string whole(const std::string& changed = "", const std::string& with = "") {
  std::string yaml = "discord: {public_key: " + key +
                     ", application_id: 11, guild_id: \"22\", approver_roles: [33, \"34\"]}";
  if (const auto at = yaml.find(changed); !changed.empty() && at != std::string::npos) {
    yaml.replace(at, changed.size(), with);
  }
  return yaml;
}

std::string problems_of(const std::string& yaml) {
  const LoadedSettings loaded = read_settings(yaml);
  std::string text;
  if (const auto* problems = std::get_if<std::vector<SettingsProblem>>(&loaded)) {
    for (const SettingsProblem& problem : *problems) {
      text += describe("f", problem) + "\n";
    }
  }
  return text;
}

}  // namespace

TEST_CASE("settings: discord is read, its api_url without a slash at its end") {
  const LoadedSettings loaded = read_settings(
      "discord: {api_url: \"http://127.0.0.1:9/api/\", public_key: " + key +
      ", application_id: 11, guild_id: 22, approver_roles: [33], override_roles: [44], bot_token: "
      "t}");
  REQUIRE(std::holds_alternative<Settings>(loaded));
  const DiscordSettings& discord = std::get<Settings>(loaded).discord;
  CHECK(discord.api_url == "http://127.0.0.1:9/api");
  REQUIRE(discord.public_key);
  CHECK((*discord.public_key)[31] == 0xaa);
  CHECK(discord.application_id == "11");
  CHECK(discord.guild_id == "22");
  CHECK(discord.approver_roles == std::vector<std::string>{"33"});
  CHECK(discord.override_roles == std::vector<std::string>{"44"});
  CHECK(discord.bot_token.reveal() == "t");
  CHECK(problems_of(whole()).empty());
}

TEST_CASE("settings: without a discord section, or with an empty one, no command is taken") {
  for (const char* yaml : {"mode: ask", "discord: {}", "discord:"}) {
    const LoadedSettings loaded = read_settings(yaml);
    REQUIRE(std::holds_alternative<Settings>(loaded));
    CHECK_FALSE(std::get<Settings>(loaded).discord.public_key);
    CHECK(std::get<Settings>(loaded).discord.api_url == "https://discord.com/api/v10");
  }
}

TEST_CASE("settings: half a discord section says what is missing and where it is found") {
  for (const auto& [without, words] :
       {std::pair{"public_key: " + key + ", ", "discord has no public_key, expected the 64"},
        {std::string{"application_id: 11, "}, "discord has no application_id, expected the App"},
        {std::string{"guild_id: \"22\", "}, "discord has no guild_id, expected the id of the one"},
        {std::string{", approver_roles: [33, \"34\"]"},
         "discord has no approver_roles, expected"}}) {
    const std::string found = problems_of(whole(without));
    CAPTURE(found);
    CHECK(found.starts_with("f:1:"));
    CHECK(found.find(words) != std::string::npos);
  }
}

TEST_CASE("settings: wrong values of discord are refused, and what may be a secret is not shown") {
  for (const auto& [changed, with, words] :
       {std::tuple{key, std::string{"s3cret"}, "discord.public_key is no key"},
        {std::string{"11"}, std::string{"my-app"}, "discord.application_id is \"my-app\""},
        {std::string{"\"22\""}, std::string{"-1"}, "discord.guild_id is \"-1\""},
        {std::string{"[33, \"34\"]"}, std::string{"[]"}, "discord.approver_roles is empty"},
        {std::string{"[33, \"34\"]"}, std::string{"33"}, "expected a list of ids of roles"},
        {std::string{"\"34\""}, std::string{"33"}, "discord.approver_roles[1] is \"33\" again"},
        {std::string{"\"34\""}, std::string{"\"@ops\""}, "discord.approver_roles[1] is \"@ops\""},
        {std::string{"public_key"}, std::string{"publik_key"}, "did you mean"},
        {std::string{"discord: {"}, std::string{"discord: {api_url: \"http://discord.com\", "},
         "discord.api_url is plain http to another machine"},
        {std::string{"discord: {"}, std::string{"discord: {bot_token: a, bot_token_file: b, "},
         "discord.bot_token_file is given beside bot_token"}}) {
    const std::string found = problems_of(whole(changed, with));
    CAPTURE(found);
    CHECK(found.find(words) != std::string::npos);
    CHECK(found.find("s3cret") == std::string::npos);
  }
}

TEST_CASE("settings: discord alone is read where the files of other secrets cannot be") {
  const auto folder =
      std::filesystem::temp_directory_path() / ("rollbackd-discord-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto file = folder / "f.yaml";
  std::ofstream{folder / "bot"} << "the-token\n";
  std::ofstream{file} << "database: {password_file: missing}\n"
                      << whole("discord: {", "discord: {bot_token_file: bot, ");
  CHECK(std::holds_alternative<std::vector<SettingsProblem>>(load_settings(file)));
  const auto loaded = load_discord_settings(file);
  REQUIRE(std::holds_alternative<DiscordSettings>(loaded));
  CHECK(std::get<DiscordSettings>(loaded).bot_token.reveal() == "the-token");
  std::ofstream{file} << "discrod: {}\n";
  CHECK(std::holds_alternative<std::vector<SettingsProblem>>(load_discord_settings(file)));
  CHECK(std::holds_alternative<std::vector<SettingsProblem>>(
      load_discord_settings(folder / "none.yaml")));
  std::filesystem::remove_all(folder);
}

}  // namespace rollbackd::engine
