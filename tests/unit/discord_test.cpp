#include "engine/notify/discord.hpp"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/markdown.hpp"
#include "engine/utf8.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

json an_alert(const std::string& kind) {
  return {
      {"kind", kind},
      {"event_id", "11111111-1111-1111-1111-111111111111"},
      {"deployment_id", "abc12345-3333-4333-8333-333333333333"},
      {"version", "v2.5.3"},
      {"git_commit", "badc0de"},
      {"environment", "production"},
      {"service", "app"},
      {"trigger_type", "automatic"},
      {"reason", "High error rate: 8.5 errors/minute"},
      {"target",
       {{"deployment_id", "22222222-2222-4222-8222-222222222222"},
        {"version", "v2.5.2"},
        {"git_commit", "a7f3b29"}}},
      {"replacement_id", "44444444-4444-4444-8444-444444444444"},
      {"validation",
       {{"compliant", true}, {"violations", json::array()}, {"warnings", json::array()}}},
      {"ended_by", nullptr},
      {"error", nullptr},
      {"evidence", {{"signal", "errors_per_minute"}, {"measured", 8.5}}},
      {"decided_at", "2025-12-15T14:35:00.250000Z"},
      {"completed_at", nullptr},
      {"duration_seconds", nullptr},
  };
}

json rendered(const json& alert) {
  const auto body = discord_body(alert.dump());
  REQUIRE(body);
  return json::parse(*body);
}

// The value of a field of the only embed; empty: there is no such field.
std::string field(const json& body, const std::string& name) {
  for (const json& each : body.at("embeds").at(0).at("fields")) {
    if (each.at("name") == name) {
      return each.at("value");
    }
  }
  return {};
}

// Compares with tests/golden/discord_<name>.json; REWRITE=1 writes it instead.
void check_golden(const std::string& name, const json& body) {
  const std::string file =
      std::string{ROLLBACKD_SOURCE_DIR} + "/tests/golden/discord_" + name + ".json";
  const std::string text = body.dump(2) + '\n';
  if (std::getenv("REWRITE") != nullptr) {
    std::ofstream{file} << text;
  }
  std::stringstream expected;
  expected << std::ifstream{file}.rdbuf();
  CHECK(text == expected.str());
}

TEST_CASE("discord: a rollback begins, as the procedures show it") {
  check_golden("initiated", rendered(an_alert("initiated")));
}

TEST_CASE("discord: a rollback is completed, with what it took") {
  auto alert = an_alert("completed");
  alert["completed_at"] = "2025-12-15T14:36:15.500000Z";
  alert["duration_seconds"] = 75.25;
  alert["validation"]["warnings"] = {"System already stable: 0 errors in the last 5 minutes"};
  alert["trigger_type"] = "manual";
  alert["target"]["git_commit"] = "a7f3b29cc1e3d4f5a6b7c8d9e0f1a2b3c4d5e6f7";
  check_golden("completed", rendered(alert));
}

TEST_CASE("discord: a rollback failed, with what to do") {
  auto alert = an_alert("failed");
  alert["ended_by"] = "deploy_failed";
  alert["error"] = "exit status 3: line 1\nno space left in /var/lib_data";
  alert["completed_at"] = "2025-12-15T14:35:09Z";
  alert["duration_seconds"] = 8.75;
  check_golden("failed", rendered(alert));
}

TEST_CASE("discord: a rollback is rejected, with the violations") {
  auto alert = an_alert("rejected");
  alert["target"] = nullptr;
  alert["trigger_type"] = "constitutional_violation";
  alert["validation"] = {
      {"compliant", false},
      {"violations",
       {"Law of Total Coherence violated: Cannot increase entropy when system unstable",
        "No valid rollback target found"}},
      {"warnings", {"The geometric ratio is 1.5"}}};
  check_golden("rejected", rendered(alert));
}

TEST_CASE("discord: a rollback ended early") {
  auto alert = an_alert("aborted");
  alert["ended_by"] = "superseded";
  alert["error"] = "another deployment is current";
  check_golden("aborted", rendered(alert));
}

TEST_CASE("discord: a proposal says how to approve it and until when") {
  auto alert = an_alert("proposed");
  alert["expires_at"] = "2025-12-15T15:05:00Z";
  check_golden("proposed", rendered(alert));
}

TEST_CASE("discord: a hold says what ends each of its reasons") {
  auto alert = an_alert("held");
  alert["event_id"] = "00000000-0000-0000-0000-000000000000";
  alert["text"] = "High error rate: 8.5 errors/minute; held: breaker_open, cooldown";
  check_golden("held", rendered(alert));
}

TEST_CASE("discord: every hold there is has an end, and a part of a word is none") {
  for (const char* reason : {"latched", "paused", "breaker_open", "capped", "cooldown",
                             "failed_deploy", "others_bad", "unhealthy_before", "stale"}) {
    auto alert = an_alert("held");
    alert["text"] = std::string{"held: "} + reason;
    CHECK(field(rendered(alert), "What to do").find(std::string{"\n• "} + reason + ": ") !=
          std::string::npos);
    alert["text"] = std::string{"held: un"} + reason + "_x";
    CHECK(field(rendered(alert), "What to do").find("•") == std::string::npos);
  }
}

TEST_CASE("discord: a breaker says how to close it, and nothing else gets into the command") {
  auto alert = an_alert("breaker_opened");
  alert["event_id"] = "00000000-0000-0000-0000-000000000000";
  alert["text"] = "capped: 5 automatic rollbacks of production within an hour";
  check_golden("breaker_opened", rendered(alert));
  alert["environment"] = "x; rm -rf /";
  CHECK(field(rendered(alert), "What to do").find("rm -rf") == std::string::npos);
  alert["environment"] = "-production";
  CHECK(field(rendered(alert), "What to do").find("--breaker ENVIRONMENT") != std::string::npos);
}

TEST_CASE("discord: a late success names its run and what stays as it is") {
  auto alert = an_alert("late_success");
  alert["ended_by"] = "outcome_unknown";
  alert["run_url"] = "https://github.com/owner/name/actions/runs/42";
  alert["text"] = "the run ended with success 12 minutes after the rollback was given up";
  check_golden("late_success", rendered(alert));
}

TEST_CASE("discord: a version that comes back is said aloud") {
  auto alert = an_alert("redeployed");
  alert["text"] = "v2.5.3 was rolled back on 2025-12-14T09:00:00Z";
  check_golden("redeployed", rendered(alert));
}

TEST_CASE("discord: a pause says who, why, since when, and how to end it") {
  auto alert = an_alert("paused");
  for (const char* key : {"event_id", "deployment_id"}) {
    alert[key] = "00000000-0000-0000-0000-000000000000";
  }
  for (const char* key : {"version", "git_commit", "environment", "service", "reason"}) {
    alert[key] = "";
  }
  alert["target"] = nullptr;
  alert["text"] = "by alice since 2025-12-15T14:35:00Z: the database is being moved";
  check_golden("paused", rendered(alert));
}

TEST_CASE("discord: each way to fail has its own advice") {
  for (const auto& [reason, words] : {std::pair{"outcome_unknown", "Nobody knows whether"},
                                      {"migration_failed", "Mend the database"},
                                      {"deploy_failed", "still serves"},
                                      {"still_unhealthy", "outside this deployment"},
                                      {"other", "what should serve"}}) {
    auto alert = an_alert("failed");
    alert["ended_by"] = reason;
    CHECK(field(rendered(alert), "What to do").find(words) != std::string::npos);
    CHECK(field(rendered(alert), "Error") == escaped(reason, 100));
  }
}

TEST_CASE("discord: a kind that is not known yet is told all the same") {
  const auto body = rendered(an_alert("postponed"));
  CHECK(body["embeds"][0]["title"] == "ROLLBACK POSTPONED");
  CHECK(field(body, "Reason") == "High error rate: 8.5 errors/minute");
}

TEST_CASE("discord: what is missing or of another type is left out") {
  const auto body = rendered(json::object());
  CHECK(body["embeds"][0]["title"] == "ROLLBACK");
  CHECK(body["embeds"][0]["fields"].empty());
  auto alert = an_alert("failed");
  for (const auto& item : alert.items()) {
    if (item.key() != "kind") {
      item.value() = json::array({1, json::object()});
    }
  }
  CHECK(rendered(alert)["embeds"][0]["fields"].size() > 0);
  for (const char* wrong : {"", "[]", "null", "{", "\"x\"", "{\"a\":1}x"}) {
    CHECK_FALSE(discord_body(wrong));
  }
}

TEST_CASE("discord: nobody is mentioned and nothing is formatted by what others wrote") {
  auto alert = an_alert("failed");
  alert["reason"] = "@everyone <@123> **bold** [x](https://evil) `code` ||secret||\n# head\n- item";
  alert["version"] = "v1_a*b\nsecond";
  const auto body = rendered(alert);
  CHECK(body["allowed_mentions"] == json{{"parse", json::array()}});
  CHECK(field(body, "Reason") ==
        "@everyone \\<@123\\> \\*\\*bold\\*\\* \\[x\\](https://evil) \\`code\\` "
        "\\|\\|secret\\|\\|\n\\# head\n\\- item");
  CHECK(field(body, "Deployment") == "v1\\_a\\*b second (abc12345)");
}

TEST_CASE("discord: ids that are none do not get into commands") {
  auto alert = an_alert("rejected");
  alert["event_id"] = "x`; rm -rf /";
  alert["deployment_id"] = "$(id)";
  const auto body = rendered(alert);
  CHECK(body.dump().find("rm -rf") == std::string::npos);
  CHECK(body.dump().find("$(id)") == std::string::npos);
  CHECK_FALSE(body["embeds"][0].contains("footer"));
}

TEST_CASE("discord: of many violations those that fit are told, the others counted") {
  auto alert = an_alert("rejected");
  json violations = json::array();
  for (int i = 0; i < 100; ++i) {
    violations.push_back("violation number " + std::to_string(i));
  }
  alert["validation"] = {{"compliant", false}, {"violations", violations}};
  const std::string status = field(rendered(alert), "Constitutional Status");
  CHECK(status.starts_with("REJECTED\n• violation number 0\n"));
  CHECK(status.find(" more") != std::string::npos);
  CHECK(utf16_length(status) <= 1024);
  CHECK(utf16_length(status) > 950);
}

TEST_CASE("discord: markdown is escaped, links are left whole") {
  CHECK(escaped("a_b https://host/a_b*c~d?x=[1] e_f", 1000) ==
        "a\\_b https://host/a_b*c~d?x=\\[1\\] e\\_f");
  CHECK(escaped("  - x\n  + y\n> z\n-- 1-2", 1000) == "\\- x\n  \\+ y\n\\> z\n\\-- 1-2");
  CHECK(escaped(" \n\t ", 10).empty());
  CHECK(escaped_line("a\r\nb\tc", 10) == "a b\tc");
}

TEST_CASE("discord: a cut keeps escapes and characters whole and says so") {
  CHECK(escaped("abcdef", 6) == "abcdef");
  CHECK(escaped("abcdefg", 6) == "abcde…");
  CHECK(escaped("abcd*f", 6) == "abcd…");  // not a lone backslash
  CHECK(escaped("abcde*", 6) == "abcde…");
  CHECK(escaped("abcd🚨", 6) == "abcd🚨");
  CHECK(escaped("abcde🚨", 6) == "abcde…");
  CHECK(escaped("🚨🚨", 1) == "…");
}

// Any text there is, with a liking for what is special.
std::string random_text(std::mt19937& random) {
  static constexpr std::string_view likely[] = {
      "*", "_",       "\\",   "`",       "<@1>",         "\n", "🚨",
      "ä", "http://", "\xFF", "\x1B[1m", "\xE2\x80\xAE", " "};
  std::string text;
  const std::size_t length = random() % 4 == 0 ? random() % 5000 : random() % 40;
  while (text.size() < length) {
    switch (random() % 3) {
      case 0:
        text += likely[random() % std::size(likely)];
        break;
      case 1:
        text += static_cast<char>('a' + random() % 26);
        break;
      default:
        if (const auto c = static_cast<char32_t>(random() % 0x110000); c < 0xD800 || c > 0xDFFF) {
          append_code_point(text, c);
        }
    }
  }
  return text;
}

void check_limits(const json& embed) {
  std::size_t total = 0;
  const auto count = [&total](const json& text, std::size_t most) {
    const std::size_t units = utf16_length(text.get<std::string>());
    CHECK(units <= most);
    total += units;
    return units;
  };
  CHECK(count(embed.at("title"), 256) > 0);
  count(embed.value("description", json("")), 4096);
  if (embed.contains("footer")) {
    count(embed["footer"].at("text"), 2048);
  }
  CHECK(embed.at("fields").size() <= 25);
  for (const json& each : embed.at("fields")) {
    CHECK(count(each.at("name"), 256) > 0);
    CHECK(count(each.at("value"), 1024) > 0);
  }
  CHECK(total <= 6000);
}

TEST_CASE("discord: the limits hold for any input") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random{seed};
  for (int round = 0; round < 300; ++round) {
    static constexpr const char* kinds[] = {
        "initiated", "completed",      "failed",       "aborted",    "rejected", "proposed",
        "held",      "breaker_opened", "late_success", "redeployed", "paused",   "other"};
    auto alert = an_alert(kinds[random() % std::size(kinds)]);
    for (const char* key :
         {"version", "environment", "service", "trigger_type", "reason", "error", "ended_by",
          "decided_at", "event_id", "text", "run_url", "expires_at"}) {
      if (random() % 2 == 0) {
        alert[key] = random_text(random);
      }
    }
    alert["target"] = {{"version", random_text(random)}, {"git_commit", random_text(random)}};
    alert["duration_seconds"] = std::ldexp(1.0, static_cast<int>(random() % 1000));
    for (const char* key : {"violations", "warnings"}) {
      for (std::size_t i = random() % 30; i > 0; --i) {
        alert["validation"][key].push_back(random_text(random));
      }
    }
    const auto body =
        discord_body(alert.dump(-1, ' ', random() % 2 == 0, json::error_handler_t::replace));
    REQUIRE(body);
    CHECK(plain_text(*body) == *body);
    check_limits(json::parse(*body).at("embeds").at(0));
  }
}

}  // namespace
}  // namespace rollbackd::engine
