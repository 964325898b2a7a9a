#include "engine/discord_commands.hpp"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/discord/commands.hpp"
#include "tests/support/discord_kit.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;
using rules::Answer;
using tests::a_shown_rollback;
using tests::discord_bad_id;
using tests::discord_command;
using tests::discord_overriders;
using tests::discord_signature;
using tests::discord_typing;
using tests::DiscordKit;

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

json choices_in(const json& answer) {
  REQUIRE(answer["type"] == 8);
  return answer["data"]["choices"];
}

const json ping{{"type", 1}, {"id", "1"}, {"application_id", tests::discord_application}};

}  // namespace

TEST_CASE("discord: a ping is answered, once") {
  DiscordKit f;
  CHECK(f.take(ping) == json{{"type", 1}});
  CHECK(f.take_text(ping.dump()).status == 401);
}

TEST_CASE("discord: unsigned, tampered, old, early and replayed requests are 401 and do nothing") {
  DiscordKit f;
  const std::string body = f.approve(discord_bad_id).dump();
  const std::string at = std::to_string(f.now);
  const std::string signature = discord_signature(at, body);
  CHECK(f.take_signed(SignedBody{"", "", body}).status == 401);
  CHECK(f.take_signed(SignedBody{signature, "", body}).status == 401);
  CHECK(f.take_signed(SignedBody{signature, at, body + " "}).status == 401);
  CHECK(f.take_signed(SignedBody{signature, std::to_string(f.now + 1), body}).status == 401);
  for (const rules::Second off : {-301, 301, -1}) {  // -1: before rollbackd started
    const std::string other = std::to_string(f.now + off);
    const auto answer = f.take_signed(SignedBody{discord_signature(other, body), other, body});
    CHECK(answer.status == 401);
    CHECK_FALSE(answer.details.empty());
  }
  CHECK(f.desk.asked.empty());
  CHECK(f.take_signed(SignedBody{signature, at, body}).status == 200);
  CHECK(f.take_signed(SignedBody{signature, at, body}).status == 401);
  CHECK(f.desk.asked.size() == 1);
}

TEST_CASE("discord: what is signed and is no interaction is 400 and says what is missing") {
  DiscordKit f;
  json no_token = f.approve(discord_bad_id);
  no_token["token"] = "a/../b";
  json no_user = f.approve(discord_bad_id);
  no_user["member"].erase("user");
  for (const std::string& body : {std::string{"{"}, std::string{"[]"}, std::string{R"({"type":2})"},
                                  no_token.dump(), no_user.dump()}) {
    const auto answer = f.take_text(body);
    CAPTURE(body);
    CHECK(answer.status == 400);
    CHECK_FALSE(answer.details.empty());
  }
}

TEST_CASE("discord: another server, a direct message, another application, no role: told so") {
  DiscordKit f;
  json elsewhere = f.approve(discord_bad_id);
  elsewhere["guild_id"] = "2222222222222222223";
  CHECK(holds(f.notice(elsewhere), "discord.guild_id"));
  json direct = f.approve(discord_bad_id);
  direct.erase("guild_id");
  direct.erase("member");
  direct["user"] = {{"id", "4444444444444444444"}, {"username", "ann"}};
  CHECK(holds(f.notice(direct), "discord.guild_id"));
  json foreign = f.approve(discord_bad_id);
  foreign["application_id"] = "1111111111111111112";
  CHECK(holds(f.notice(foreign), "discord.application_id"));
  CHECK(holds(f.notice(f.approve(discord_bad_id, "9")), "discord.approver_roles"));
  for (const char* subcommand : {"status", "history", "pause", "resume"}) {
    CHECK(holds(f.notice(discord_command("rollback", subcommand, {{"reason", "why"}}, "9")),
                "discord.approver_roles"));
  }
  CHECK(holds(f.notice(discord_command("help", "rollback", {}, "9")), "/approve rollback"));
  CHECK(choices_in(f.take(discord_typing("approve", "rollback", {{"deployment_id", ""}},
                                         "deployment_id", "9")))
            .empty());
  CHECK(f.desk.asked.empty());
  CHECK(f.archive.histories.empty());
}

TEST_CASE("discord: /approve rollback asks as that member, and its message follows to the end") {
  DiscordKit f;
  const json command = f.approve(discord_bad_id);
  CHECK(f.take(command) == json{{"type", 5}});
  const auto& wanted = f.desk.last<rules::ManualRequest>();
  CHECK(wanted.deployment.text() == discord_bad_id);
  CHECK(wanted.reason == "Critical bug in payment flow");
  CHECK(wanted.initiated_by == "discord:4444444444444444444 (ann)");
  CHECK(wanted.overrides.empty());
  CHECK_FALSE(wanted.dry_run);
  rules::Rollback rollback = a_shown_rollback();
  f.desk.waiting.at(0)({0, Answer::Kind::accepted, rollback, {}});
  f.run_until_edits(1);
  rollback.step(rules::StepName::create_pre_rollback_snapshot).status = rules::StepStatus::success;
  rollback.step(rules::StepName::await_deploy).status = rules::StepStatus::in_progress;
  f.desk.tell(rollback);
  f.run_until_edits(2);
  rollback.steps.fill({rules::StepStatus::success, {}, {}, {}, {}});
  rollback.status = rules::RollbackStatus::success;
  rollback.completed_at = rollback.decided_at + rules::Duration{4'230'000};
  f.desk.tell(rollback);
  f.run_until_edits(3);
  const auto edits = f.discord.edits(command);
  REQUIRE(edits.size() == 3);
  for (const char* part :
       {"✅ **Rollback approved** by <@4444444444444444444>", "Deployment: v2.5.3 (abc12300)",
        "Reason: Critical bug in payment flow", "Target: v2.5.2 (commit: a7f3b29)",
        "Constitutional Validation: PASSED", "Executing rollback…", "▱▱▱▱▱▱▱▱ 0/8"}) {
    CAPTURE(part);
    CHECK(holds(edits[0], part));
  }
  CHECK(holds(edits[1], "▰▱▱▱▱▱▱▱ 1/8 deploying"));
  CHECK(holds(edits[2], "▰▰▰▰▰▰▰▰ 8/8\n✅ **Rollback complete** (4.2 seconds)"));
  for (const auto& request : f.discord.rest.requests()) {
    CHECK(json::parse(request.body)["allowed_mentions"] == json{{"parse", json::array()}});
  }
}

TEST_CASE("discord: a deployment is known by its version, or by the beginning of its id") {
  DiscordKit f;
  for (const char* name : {"v2.5.3", "abc1", " ABC12300 "}) {
    CHECK(f.take(f.approve(name)) == json{{"type", 5}});
    CHECK(f.desk.last<rules::ManualRequest>().deployment.text() == discord_bad_id);
  }
  f.desk.asked.clear();
  CHECK(holds(f.notice(f.approve("ab")), "No current deployment"));
  CHECK(holds(f.notice(f.approve("v9 @everyone *x*")), "v9 @everyone \\*x\\*"));
  f.view.set.push_back(tests::a_service("v2.5.3", "abc12300-0000-4000-8000-000000000009",
                                        rules::State::healthy, "b"));
  CHECK(holds(f.notice(f.approve("v2.5.3")), "more than one"));
  CHECK(holds(f.notice(f.approve("abc1")), "more than one"));
  CHECK(f.desk.asked.empty());
}

TEST_CASE("discord: overrides are for their roles, and only of what may be set aside") {
  DiscordKit f;
  CHECK(holds(f.notice(f.approve(discord_bad_id, tests::discord_approvers, "migration")),
              "discord.override_roles"));
  CHECK(holds(f.notice(f.approve(discord_bad_id, discord_overriders, "law_inhabitance")),
              "cannot be set aside"));
  CHECK(holds(f.notice(f.approve(discord_bad_id, discord_overriders, "no_target")),
              "cannot be set aside"));
  CHECK(f.desk.asked.empty());
  f.take(f.approve(discord_bad_id, discord_overriders, "migration, paused,"));
  CHECK(f.desk.last<rules::ManualRequest>().overrides ==
        std::vector<rules::Reason>{rules::Reason::migration, rules::Reason::paused});
}

TEST_CASE("discord: deployments in need are completed first, by any part of their name") {
  DiscordKit f;
  const auto typed = [&](const std::string& text) {
    return choices_in(
        f.take(discord_typing("approve", "rollback", {{"deployment_id", text}}, "deployment_id")));
  };
  const json all = typed("");
  REQUIRE(all.size() == 2);
  CHECK(all[0]["value"] == discord_bad_id);
  CHECK(all[0]["name"] == "v2.5.3 · production/app · proposed · abc12300");
  CHECK(typed("WEB").size() == 1);
  CHECK(typed("abc12300-0000").size() == 1);
  CHECK(typed("2.5.").size() == 2);
  CHECK(typed("nothing").empty());
  for (int i = 0; i < 100; ++i) {
    f.view.set.push_back(tests::a_service("v" + std::to_string(i), tests::discord_other_id));
  }
  CHECK(typed("").size() == 25);
}

TEST_CASE("discord: overrides and breakers are completed for who may use them") {
  DiscordKit f;
  const auto typed = [&](const char* command, const char* subcommand, const char* option,
                         const char* text, const char* role) {
    return choices_in(f.take(discord_typing(command, subcommand, {{option, text}}, option, role)));
  };
  CHECK(typed("approve", "rollback", "override", "mig", tests::discord_approvers).empty());
  const json first = typed("approve", "rollback", "override", "mig", discord_overriders);
  REQUIRE(first.size() == 1);
  CHECK(first[0]["value"] == "migration");
  const json second = typed("approve", "rollback", "override", "paused,mig", discord_overriders);
  REQUIRE(second.size() == 1);
  CHECK(second[0]["value"] == "paused,migration");
  f.view.control_read = rules::ControlRead{};
  f.view.control_read->breakers = {{"production", "capped", {}}};
  CHECK(typed("rollback", "resume", "breaker", "", discord_overriders)[0]["value"] == "production");
  CHECK(typed("rollback", "resume", "breaker", "x", discord_overriders).empty());
}

TEST_CASE("discord: each refusal of the rules has its words, and says that nothing was changed") {
  for (const auto& [kind, words] : {std::pair{Answer::Kind::rejected, "Rollback rejected"},
                                    {Answer::Kind::no_target, "Rollback rejected"},
                                    {Answer::Kind::under_way, "under way already"},
                                    {Answer::Kind::paused, "paused** by bob"},
                                    {Answer::Kind::unknown_deployment, "No such deployment"},
                                    {Answer::Kind::unavailable, "Not now"}}) {
    DiscordKit f;
    const json command = f.approve(discord_bad_id);
    f.take(command);
    rules::Rollback rollback = a_shown_rollback();
    rollback.validation.checks = {{rules::Reason::migration, rules::Outcome::violation, true, false,
                                   "Migration m1 is not backward compatible"}};
    f.desk.waiting.at(0)({0, kind, rollback, {true, "bob", "work", rules::instant_of(5)}});
    f.run_until_edits(1);
    const std::string said = f.discord.edits(command).at(0);
    CAPTURE(said);
    CHECK(holds(said, words));
    const bool shows_verdict = kind == Answer::Kind::rejected || kind == Answer::Kind::under_way;
    CHECK((!shows_verdict || holds(said, "REJECTED\n• Migration m1")));
  }
}

TEST_CASE("discord: a failure and an abort end with why, and with what to do") {
  for (const auto& [status, words] : {std::pair{rules::RollbackStatus::failed, "Rollback failed"},
                                      {rules::RollbackStatus::aborted, "Rollback aborted"}}) {
    DiscordKit f;
    const json command = f.approve(discord_bad_id);
    f.take(command);
    rules::Rollback rollback = a_shown_rollback();
    rollback.status = status;
    rollback.asked = true;
    rollback.approved = rules::Said{"x", "yes", rollback.decided_at + rules::seconds{600}};
    rollback.completed_at = rollback.decided_at + rules::seconds{610};
    rollback.ended_by = rules::Reason::deploy_failed;
    rollback.step(rules::StepName::await_deploy).error = "exit status 3: `no` space";
    f.desk.waiting.at(0)({0, Answer::Kind::accepted, rollback, {}});
    f.run_until_edits(1);
    const std::string said = f.discord.edits(command).at(0);
    CAPTURE(said);
    CHECK(holds(said, words));
    CHECK(holds(said, "(10 seconds): deploy\\_failed: exit status 3: \\`no\\` space"));
    CHECK(holds(said, "Approved because: yes"));
    CHECK(holds(said, "`rollbackctl show 11111111-1111-4111-8111-111111111111`"));
  }
}

TEST_CASE("discord: pause and resume say who and why; a breaker is closed by who may override") {
  DiscordKit f;
  const json pause = discord_command("rollback", "pause", {{"reason", "moving\x01 the database"}});
  CHECK(f.take(pause) == json{{"type", 5}});
  const auto paused = f.desk.last<rules::PauseRequest>();
  CHECK(paused.on);
  CHECK(paused.by == "discord:4444444444444444444 (ann)");
  f.desk.waiting.at(0)({0, Answer::Kind::accepted, {}, {true, paused.by, paused.reason, {}}});
  f.run_until_edits(1);
  CHECK(f.discord.edits(pause).at(0).starts_with("⏸️ **Paused** by <@4444444444444444444>"));
  f.take(discord_command("rollback", "resume", {{"reason", "done"}}));
  CHECK_FALSE(f.desk.last<rules::PauseRequest>().on);
  const tests::DiscordOptions breaker{{"reason", "looked"}, {"breaker", "production"}};
  CHECK(holds(f.notice(discord_command("rollback", "resume", breaker)), "discord.override_roles"));
  f.take(discord_command("rollback", "resume", breaker, discord_overriders));
  CHECK(f.desk.last<rules::CloseBreakerRequest>().environment == "production");
  CHECK(holds(f.notice(discord_command("rollback", "pause", {{"reason", " \t"}})), "Say why"));
}

TEST_CASE("discord: status is answered at once from memory, those in need first") {
  DiscordKit f;
  f.view.control_read = rules::ControlRead{};
  f.view.control_read->pause = {true, "bob_x", "work", rules::instant_of(1'765'800'000)};
  f.view.control_read->breakers = {{"staging", "capped: 5", rules::instant_of(1'765'800'000)}};
  const json answer = f.take(discord_command("rollback", "status"));
  CHECK(answer["type"] == 4);
  CHECK_FALSE(answer["data"].contains("flags"));
  const std::string said = answer["data"]["content"];
  CHECK(holds(said, "**Paused** by bob\\_x <t:1765800000:R>: work"));
  CHECK(holds(said, "The breaker of staging is open"));
  CHECK(said.find("v2.5.3") < said.find("v2.5.2"));
  f.leader = "host:1";
  CHECK(holds(f.take(discord_command("rollback", "status")).dump(), "host:1 leads"));
}

TEST_CASE("discord: history is looked up, ten rows at most") {
  DiscordKit f;
  f.archive.answer = std::optional<std::string>{R"([{"event_id":"11111111-aaaa",
    "environment":"production","service":"app","status":"success","trigger_type":"automatic",
    "trigger_reason":"High error rate: 8 errors/minute",
    "initiated_at":"2025-12-15T12:00:00.5+00:00",
    "rollback_plan":{"version":"v2","target":{"version":"v1"}}}, {}, 5])"};
  const json command = discord_command("rollback", "history", {{"limit", 100}});
  CHECK(f.take(command) == json{{"type", 5}});
  CHECK(f.archive.histories.at(0).limit == 10);
  f.run_until_edits(1);
  CHECK(holds(f.discord.edits(command).at(0),
              "✅ <t:1765800000:R> production/app v2 → v1 **success** (automatic): High error "
              "rate: 8 errors/minute `11111111`"));
  f.archive.answer = Error{"no connection", {}};
  const json again = discord_command("rollback", "history");
  f.take(again);
  f.run_until_edits(2);
  CHECK(f.archive.histories.at(1).limit == 5);
  CHECK(holds(f.discord.edits(again).at(0), "cannot be read"));
}

TEST_CASE("discord: a standby acts on nothing and says so") {
  DiscordKit f;
  f.leader = "host:1";
  CHECK(holds(f.notice(f.approve(discord_bad_id)), "standby"));
  CHECK(holds(f.notice(discord_command("rollback", "pause", {{"reason", "why"}})), "standby"));
  CHECK(f.desk.asked.empty());
}

TEST_CASE("discord: a rollback that another daemon took over is not followed in silence") {
  DiscordKit f;
  const json command = f.approve(discord_bad_id);
  f.take(command);
  f.desk.waiting.at(0)({0, Answer::Kind::accepted, a_shown_rollback(), {}});
  f.run_until_edits(1);
  f.leader = "host:2";
  f.run_until_edits(2);
  CHECK(holds(f.discord.edits(command).at(1), "Another rollbackd leads now"));
}

TEST_CASE("discord: a role that is taken away, or a key, counts from the next request on") {
  DiscordKit f;
  f.take(f.approve(discord_bad_id));
  f.settings.approver_roles = {"77"};
  f.commands->use(f.settings);
  CHECK(holds(f.notice(f.approve(discord_bad_id)), "discord.approver_roles"));
  f.settings.public_key->front() ^= 1U;
  f.commands->use(f.settings);
  CHECK(f.take_text(ping.dump()).status == 401);
  f.settings.public_key.reset();
  f.commands->use(f.settings);
  const auto answer = f.take_text(ping.dump());
  CHECK(answer.status == 404);
  CHECK(holds(answer.details, "public_key"));
}

TEST_CASE("discord: what is registered is what is known here") {
  DiscordKit f;
  for (const json& command : discord_commands()) {
    for (const json& subcommand : command["options"]) {
      CAPTURE(subcommand.dump());
      const json answer =
          f.take(discord_command(command["name"], subcommand["name"],
                                 {{"deployment_id", discord_bad_id}, {"reason", "why"}}));
      CHECK_FALSE(holds(answer.dump(), "no such command"));
    }
  }
  CHECK(holds(f.notice(discord_command("rollback", "retired")), "rollbackctl discord register"));
}

}  // namespace rollbackd::engine
