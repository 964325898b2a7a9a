// What people do from Discord, with the real daemon, its journal, and a stand-in for Discord.

#include <algorithm>
#include <chrono>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/discord_standin.hpp"
#include "tests/support/quantile.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

namespace {

struct InDiscord {
  explicit InDiscord(const std::string& more = "",
                     const std::vector<std::pair<std::string, std::string>>& replaced = {})
      : stage{discord.configuration() + more, {}, replaced} {
    stage.deployed_long_ago("v2.5.2");
    bad = stage.deploy("v2.5.3");
    stage.wait_until_watched(bad);
  }
  ~InDiscord() { CHECK(stage.daemon().log().find("secret-") == std::string::npos); }
  InDiscord(const InDiscord&) = delete;
  InDiscord& operator=(const InDiscord&) = delete;

  json answer(const json& interaction) {
    const HttpAnswer got = DiscordStandIn::interact(stage.http_port(), interaction);
    CAPTURE(got.body);
    CHECK(got.status == 200);
    CHECK(got.headers.find("application/json") != std::string::npos);
    return json::parse(got.body, nullptr, false);
  }
  [[nodiscard]] json approve(const std::string& reason, const std::string& role = discord_approvers,
                             const DiscordOptions& more = {}) const {
    DiscordOptions options{{"deployment_id", bad}, {"reason", reason}};
    options.insert(options.end(), more.begin(), more.end());
    return discord_command("approve", "rollback", options, role);
  }
  // Waits until the message of this command says that.
  std::string wait_for(const json& command, const std::string& text, double seconds = 60) {
    std::string last;
    eventually("the message to say it", seconds, [&] {
      const auto edits = discord.edits(command);
      last = edits.empty() ? "" : edits.back();
      return last.find(text) != std::string::npos;
    });
    return last;
  }
  std::string of_event(const std::string& column) {
    return stage.ask("select " + column + " from ops.rollback_events where deployment_id = '" +
                     bad + "'");
  }

  DiscordStandIn discord;
  Stage stage;
  std::string bad;
};

}  // namespace

TEST_CASE("discord: without a proposal /approve rolls back, and the message tells it to its end") {
  InDiscord f;
  const json command = f.approve("Critical bug in payment flow");
  const auto begun = std::chrono::steady_clock::now();
  CHECK(f.answer(command) == json{{"type", 5}});
  const std::string said = f.wait_for(command, "Rollback complete");
  for (const char* part : {"Rollback approved** by <@4444444444444444444>", "Deployment: v2.5.3",
                           "Reason: Critical bug in payment flow", "Target: v2.5.2",
                           "Constitutional Validation: PASSED", "▰▰▰▰▰▰▰▰ 8/8", " seconds)"}) {
    CAPTURE(part);
    CHECK(said.find(part) != std::string::npos);
  }
  CHECK(f.stage.running_version().starts_with("v2.5.2"));
  CHECK(f.of_event("trigger_type || ' ' || trigger_reason || ' ' || status") ==
        "manual Critical bug in payment flow success");
  CHECK(f.of_event("metadata->>'initiated_by'") == "discord:4444444444444444444 (ann)");
  CHECK(f.of_event("initiated_by is null") == "t");
  const auto edits = f.discord.edits(command);
  CHECK(edits.size() >= 2);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  CHECK(static_cast<double>(edits.size()) <= took.count() + 1);  // at most one a second
  MESSAGE("told in " << edits.size() << " edits; " << said.substr(said.rfind("✅")));
}

TEST_CASE("discord: a proposal is approved by naming its deployment, and stays automatic") {
  InDiscord f{"mode: ask\n"};
  f.stage.log_errors(6);
  eventually("the proposal", 60, [&] { return f.of_event("max(status)") == "pending"; });
  const json typing =
      discord_typing("approve", "rollback", {{"deployment_id", "v2"}}, "deployment_id");
  const json choices = f.answer(typing)["data"]["choices"];
  REQUIRE(choices.size() == 1);
  CHECK(choices[0]["value"] == f.bad);
  CHECK(choices[0]["name"].get<std::string>().find("proposed") != std::string::npos);
  const json command = f.approve("yes, it is bad");
  CHECK(f.answer(command) == json{{"type", 5}});
  const std::string said = f.wait_for(command, "Rollback complete");
  CHECK(said.find("Reason: High error rate: 6 errors/minute") != std::string::npos);
  CHECK(said.find("Approved because: yes, it is bad") != std::string::npos);
  CHECK(f.of_event("trigger_type || ' ' || status") == "automatic success");
  CHECK(f.of_event("metadata->'approved'->>'by'") == "discord:4444444444444444444 (ann)");
  CHECK(f.of_event("count(*)") == "1");
}

TEST_CASE("discord: the pause stops approvals, an override of its role does not mind") {
  InDiscord f;
  const json pause = discord_command("rollback", "pause", {{"reason", "the database is moved"}});
  CHECK(f.answer(pause) == json{{"type", 5}});
  f.wait_for(pause, "**Paused** by <@4444444444444444444>");
  CHECK(f.stage.ask("select paused::text || ' ' || paused_by || ' ' || reason from ops.control") ==
        "true discord:4444444444444444444 (ann) the database is moved");
  const json refused = f.approve("now");
  f.answer(refused);
  f.wait_for(refused, "Rollbacks are paused");
  CHECK(f.of_event("count(*)") == "0");
  const json override_it = f.approve("now", discord_overriders, {{"override", "paused"}});
  f.answer(override_it);
  f.wait_for(override_it, "Rollback complete");
  CHECK(f.of_event("metadata->>'overrides'") == "[\"paused\"]");
  const json resume = discord_command("rollback", "resume", {{"reason", "done"}});
  f.answer(resume);
  f.wait_for(resume, "**Resumed** by");
  CHECK(f.stage.ask("select paused from ops.control") == "f");
  const json history = discord_command("rollback", "history");
  f.answer(history);
  CHECK(f.wait_for(history, "v2.5.3 → v2.5.2 **success** (manual): now").find("✅") !=
        std::string::npos);
}

TEST_CASE("discord: when the token has gone the message goes on in the channel") {
  InDiscord f;
  f.discord.rest.always("/messages/@original",
                        {401, R"({"message":"Invalid Webhook Token","code":50027})"});
  const json command = f.approve("wrong prices");
  f.answer(command);
  CHECK(f.stage.wait_for_end(f.bad) == "success");
  // The alerts go there, too; this is the one message that is edited.
  eventually("the channel to be told the end", 60, [&] {
    const auto told = f.discord.channel();
    return std::any_of(told.begin(), told.end(), [](const StubRequest& request) {
      return request.body.find("**Rollback complete**") != std::string::npos &&
             request.body.find("wrong prices") != std::string::npos;
    });
  });
}

TEST_CASE("discord: a deploy that fails ends the message with why") {
  InDiscord f{"", {{"echo $1 $2 $3 >> $0", "echo no space left; exit 3"}}};
  const json command = f.approve("wrong prices");
  f.answer(command);
  const std::string said = f.wait_for(command, "Rollback failed");
  CHECK(said.find("deploy\\_failed") != std::string::npos);
  CHECK(said.find("no space left") != std::string::npos);
}

TEST_CASE("discord: wrong signatures, old ones, replays and strangers reach nothing") {
  InDiscord f;
  const std::string body = f.approve("no").dump();
  const std::string now = DiscordStandIn::now();
  const std::string signature = discord_signature(now, body);
  const int port = f.stage.http_port();
  const auto status = [&](const std::string& signed_as, const std::string& at,
                          const std::string& what) {
    const HttpAnswer got = DiscordStandIn::post(port, signed_as, at, what);
    CHECK((got.status == 200 || json::parse(got.body).contains("details")));
    return got.status;
  };
  CHECK(status("", "", body) == 401);
  CHECK(status(signature, now, body + " ") == 401);
  CHECK(status(std::string(128, '0'), now, body) == 401);
  const std::string old = std::to_string(std::stoll(now) - 3600);
  CHECK(status(discord_signature(old, body), old, body) == 401);
  const json ping{{"type", 1}, {"id", "12345"}, {"application_id", discord_application}};
  const std::string pinged = ping.dump();
  CHECK(status(discord_signature(now, pinged), now, pinged) == 200);
  CHECK(status(discord_signature(now, pinged), now, pinged) == 401);
  CHECK(f.answer(f.approve("no", "99"))["data"]["flags"] == 64);
  CHECK(f.of_event("count(*)") == "0");
  CHECK(f.discord.rest.requests().empty());
}

TEST_CASE("discord: the first answer comes at once, also to who types") {
  InDiscord f;
  constexpr int rounds = 300;
  std::vector<double> command_ms;
  std::vector<double> typing_ms;
  std::vector<double> nothing_ms;  // what the machine takes for a request that needs no thought
  const auto timed = [&](const json& interaction) {
    const auto begun = std::chrono::steady_clock::now();
    f.answer(interaction);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun)
        .count();
  };
  for (int i = 0; i < rounds; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    http_request(f.stage.http_port(), "GET", "/healthz");
    nothing_ms.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun)
            .count());
    command_ms.push_back(timed(discord_command("rollback", "history")));
    typing_ms.push_back(
        timed(discord_typing("approve", "rollback", {{"deployment_id", "v"}}, "deployment_id")));
  }
  const double slowest = *std::max_element(command_ms.begin(), command_ms.end());
  MESSAGE("first answer, with a connection of its own, n = "
          << rounds << ": command median " << quantile(command_ms, 0.5) << " ms, p99 "
          << quantile(command_ms, 0.99) << " ms, most " << slowest << " ms; autocompletion median "
          << quantile(typing_ms, 0.5) << " ms, p99 " << quantile(typing_ms, 0.99) << " ms");
  const double at_once = std::max(100.0, 3 * quantile(nothing_ms, 0.99));
  CHECK(quantile(command_ms, 0.99) < at_once);
  CHECK(quantile(typing_ms, 0.99) < at_once);
}
