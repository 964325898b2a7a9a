// Everything that Discord is sent, against its own types, by the TypeScript compiler.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/discord/choices.hpp"
#include "engine/discord/progress.hpp"
#include "engine/discord/replies.hpp"
#include "engine/discord/texts.hpp"
#include "engine/discord_commands.hpp"
#include "engine/notify/discord.hpp"
#include "engine/rollback_json.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/discord_kit.hpp"

using namespace rollbackd;         // NOLINT(google-build-using-namespace)
using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

namespace fs = std::filesystem;

// One statement for each message: `… satisfies Type`.
class Samples {
 public:
  void add(const std::string& type, const std::string& json) {
    text_ += "(" + json + ") satisfies " + type + ";\n";
    ++count_;
  }
  // The compiler complains when it has nothing to complain about.
  void add_wrong(const std::string& type, const std::string& json) {
    text_ += "// @ts-expect-error\n";
    add(type, json);
  }
  [[nodiscard]] int count() const { return count_; }

  // What the compiler finds; empty: nothing.
  [[nodiscard]] std::string findings(const fs::path& tools) const {
    std::ofstream{tools / "samples.mts"} << text_;
    std::string output;
    const int code = run_program(
        {"/usr/bin/env", "-C", tools, tools / "node_modules/.bin/tsc", "--noEmit", "--strict",
         "--skipLibCheck", "--module", "nodenext", "--target", "es2022", "samples.mts"},
        output);
    return code == 0 ? "" : "tsc ended with " + std::to_string(code) + ":\n" + output;
  }

 private:
  std::string text_ =
      "import type { APIInteractionResponse, RESTPatchAPIInteractionOriginalResponseJSONBody,\n"
      "  RESTPatchAPIWebhookWithTokenMessageJSONBody, RESTPostAPIWebhookWithTokenJSONBody,\n"
      "  RESTPutAPIApplicationGuildCommandsJSONBody } from 'discord-api-types/v10';\n";
  int count_ = 0;
};

void add_answers(Samples& samples) {
  const std::string type = "APIInteractionResponse";
  SetView view;
  view.set = {a_service("v2.5.3", discord_bad_id, rules::State::firing)};
  samples.add(type, engine::pong_json());
  samples.add(type, engine::deferred_json());
  samples.add(type, engine::notice_json(engine::help_text()));
  samples.add(type, engine::answer_json(engine::status_text(view, std::nullopt)));
  samples.add(type, engine::choices_json(engine::deployment_choices(view, "")));
  samples.add(type, engine::choices_json({}));
  samples.add_wrong(type, R"({"type":4,"data":{"contents":"x"}})");
  samples.add_wrong(type, R"({"type":8,"data":{"content":"x"}})");
}

void add_messages(Samples& samples) {
  rules::Rollback rollback = a_shown_rollback();
  for (const auto status : {rules::RollbackStatus::in_progress, rules::RollbackStatus::success,
                            rules::RollbackStatus::failed, rules::RollbackStatus::aborted}) {
    rollback.status = status;
    rollback.completed_at = rollback.decided_at + rules::seconds{4};
    const std::string body = engine::message_json(engine::progress_text(rollback, "<@4>"));
    samples.add("RESTPatchAPIInteractionOriginalResponseJSONBody", body);
    samples.add("RESTPostAPIWebhookWithTokenJSONBody", body);
    samples.add("RESTPatchAPIWebhookWithTokenMessageJSONBody", body);
  }
  for (const rules::AlertKind kind : rules::all_alert_kinds()) {
    const auto alert = engine::discord_body(engine::alert_json({kind, rollback, "text"}).dump());
    REQUIRE(alert);
    samples.add("RESTPostAPIWebhookWithTokenJSONBody", *alert);
  }
  samples.add_wrong("RESTPostAPIWebhookWithTokenJSONBody",
                    R"({"content":"x","allowed_mentions":{"parse":["all"]}})");
}

}  // namespace

TEST_CASE("discord types: every answer, message and command of ours is what Discord takes") {
  const fs::path tools = fs::path{ROLLBACKD_SOURCE_DIR} / "build/tools/discord";
  if (!fs::exists(tools / "package.json")) {
    MESSAGE("skipped: Discord's types are not installed (./dev setup test, where there is npm)");
    return;
  }
  Samples samples;
  add_answers(samples);
  add_messages(samples);
  samples.add("RESTPutAPIApplicationGuildCommandsJSONBody", engine::discord_commands().dump());
  samples.add_wrong("RESTPutAPIApplicationGuildCommandsJSONBody",
                    R"([{"name":"a","description":"b","type":1,"contexts":[0]}])");
  CHECK(samples.findings(tools) == "");
  CHECK(samples.count() > 20);
}
