// What `rollbackd doctor` says about what is asked elsewhere: Discord, GitHub, webhooks.

#include <doctest/doctest.h>

#include "tests/support/examined.hpp"
#include "tests/support/http_stub.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

TEST_CASE("doctor: Discord's webhook is there, gone, or asks to wait") {
  Examined f;
  HttpStub discord;
  const std::string yaml = f.yaml() + "notify: {discord: {webhook_url: \"" +
                           discord.url("/api/webhooks/1/token") + "\"}}\n";
  discord.next({200, R"({"id": "1", "name": "ops", "channel_id": "77"})"});
  CHECK(f.examine(yaml) == 0);
  CHECK(has(f.about("discord"), "ok: the webhook \"ops\" is there, of the channel 77"));
  discord.next({404, R"({"message": "Unknown Webhook"})"});
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("discord"), "make a new one"));
  CHECK_FALSE(has(f.about("discord"), "token"));
  discord.next({429, R"({"retry_after": 2})"});
  CHECK(f.examine(yaml) == 0);
  CHECK(has(f.about("discord"), "warning: Discord answers 429"));
}

TEST_CASE("doctor: Discord's application is that of token and key") {
  Examined f;
  HttpStub discord;
  const std::string key(64, 'a');
  const std::string yaml =
      f.yaml() + "discord: {api_url: \"" + discord.url("/api/v10") + "\", public_key: \"" + key +
      "\", application_id: \"12345678901234567\", guild_id: \"12345678901234567\","
      " approver_roles: [\"12345678901234567\"], bot_token: t0ken}\n";
  const auto application = [](const std::string& id, const std::string& verify_key) {
    return StubAnswer{
        200, "{\"id\": \"" + id + R"(", "name": "ops", "verify_key": ")" + verify_key + "\"}"};
  };
  discord.next(application("12345678901234567", key));
  CHECK(f.examine(yaml) == 0);
  CHECK(has(f.about("discord_commands"), "ok: the application \"ops\" signs"));
  CHECK(discord.requests().back().header("authorization") == "Bot t0ken");
  discord.next(application("12345678901234567", std::string(64, 'b')));
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("discord_commands"), "public_key is not this application's"));
  discord.next(application("76543210987654321", key));
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("discord_commands"), "of one application"));
  discord.next({401, R"({"message": "401: Unauthorized"})"});
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("discord_commands"), "token is not valid"));
  CHECK_FALSE(has(f.about("discord_commands"), "t0ken"));
}

TEST_CASE("doctor: the webhook's host needs an address, and the health_url has to answer") {
  Examined f;
  HttpStub health;
  health.otherwise({503, "no"});
  const std::string yaml = f.yaml(
      "rollback: {executor: webhook, webhook: {url: \"https://deploy.invalid/hook\", secret: "
      "\"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"}, verify: {health_url: \"" +
      health.url() + "\"}}\n");
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("webhook"), "failed: https://deploy.invalid of every service has no address"));
  CHECK_FALSE(has(f.about("webhook"), "hook\""));
  CHECK(has(f.about("health_url"),
            "warning: rollback.verify.health_url of every service answers "
            "503"));
}

TEST_CASE("doctor: the workflow exists, is active and takes our inputs") {
  Examined f;
  HttpStub github;
  const std::string yaml = f.yaml("rollback: {executor: github, github: {api_url: \"" +
                                  github.url("") + "\", repository: a/b, token: ghp_x}}\n");
  const std::string ours =
      read_file(std::filesystem::path{ROLLBACKD_SOURCE_DIR} / "config/github/rollback.yml");
  const auto answers = [&](const std::string& workflow, const std::string& file) {
    github.next({200, R"({"full_name": "a/b"})"});
    github.next({200, workflow});
    github.next({200, file});
  };
  const std::string active = R"({"state": "active", "path": ".github/workflows/rollback.yml"})";
  answers(active, ours);
  CHECK(f.examine(yaml) == 0);
  CHECK(has(f.about("github"), "ok: rollback.yml of a/b (every service) is active at main"));
  CHECK(github.requests().back().target ==
        "/repos/a/b/contents/.github/workflows/rollback.yml?ref=main");
  CHECK(github.requests().back().header("authorization") == "Bearer ghp_x");

  std::string lacking = ours;
  lacking.replace(lacking.find("      not_after: {"), 18, "      after: {");
  answers(active, lacking);
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("github"), "does not declare the inputs not_after"));
  CHECK(has(f.about("github"), "demands after"));

  answers(R"({"state": "disabled_manually", "path": ".github/workflows/rollback.yml"})", ours);
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("github"), "is disabled_manually"));

  answers(active, "name: x\non: push\n");
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("github"), "has no workflow_dispatch"));

  github.next({401, R"({"message": "Bad credentials"})"});
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("github"), "the token is wrong, revoked or expired"));
  CHECK_FALSE(has(f.about("github"), "ghp_x"));

  github.next({200, "{}"});
  github.next({404, R"({"message": "Not Found"})"});
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("github"), "the workflow rollback.yml of a/b"));
}
