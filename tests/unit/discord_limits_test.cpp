// Discord's limits, for whatever people and databases write.

#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/discord/choices.hpp"
#include "engine/discord/progress.hpp"
#include "engine/discord/replies.hpp"
#include "engine/discord/texts.hpp"
#include "engine/discord_commands.hpp"
#include "engine/utf8.hpp"
#include "tests/support/discord_kit.hpp"
#include "tests/support/random.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;
using tests::Random;

std::string nasty(Random& random, std::int64_t most) {
  static const std::vector<std::string> pieces{
      "a",       "*",  "_", "`", "@everyone", "<@1>", "\n",   "\r\n",         "\t",       " ",
      "\\",      "||", "💥", "é", "\u202e",    "\x01", "\xff", "\xed\xa0\x80", "https://", "[x](y)",
      "<t:1:R>", "~~", "#", "-", "\u2028",    "…",    "0"};
  const std::string favourite = random.pick(pieces);
  const bool one_kind = random.one_in(4);
  std::string text;
  for (std::int64_t i = random.between(0, most); i > 0; --i) {
    text += one_kind ? favourite : random.pick(pieces);
  }
  return text;
}

// Of a message's JSON.
void check_message(const json& message) {
  const std::string content = message.at("content");
  CHECK(utf16_length(content) <= content_max);
  CHECK(content.find_first_not_of(" \n\t") != std::string::npos);
  CHECK(message.at("allowed_mentions") == json{{"parse", json::array()}});
}

rules::Rollback nasty_rollback(Random& random) {
  rules::Rollback r = tests::a_shown_rollback();
  r.version = nasty(random, 400);
  r.git_commit = nasty(random, 100);
  r.service = {nasty(random, 300), nasty(random, 300)};
  r.reason = nasty(random, 2000);
  r.run_url = nasty(random, 200);
  r.target->version = nasty(random, 400);
  r.target->git_commit = nasty(random, 100);
  for (std::int64_t i = random.between(0, 12); i > 0; --i) {
    r.validation.checks.push_back(
        {rules::Reason::migration,
         random.one_in(2) ? rules::Outcome::violation : rules::Outcome::warning, true, true,
         nasty(random, 300)});
  }
  for (rules::Step& step : r.steps) {
    step.status = static_cast<rules::StepStatus>(random.between(0, 4));
    step.error = random.one_in(3) ? nasty(random, 2000) : "";
  }
  if (random.one_in(2)) {
    r.asked = true;
    r.approved = rules::Said{nasty(random, 50), nasty(random, 2000), r.decided_at};
  }
  r.status = static_cast<rules::RollbackStatus>(random.between(1, 4));
  if (r.is_over()) {
    r.completed_at = r.decided_at + rules::Duration{random.between(-5, 1'000'000'000)};
    r.ended_by = rules::Reason::deploy_failed;
  }
  return r;
}

}  // namespace

TEST_CASE("discord limits: a rollback's message is one, and keeps its end, whatever is in it") {
  Random random{tests::seed()};
  CAPTURE(tests::seed());
  const std::string person = "<@" + std::string(20, '4') + ">";
  for (int i = 0; i < 400; ++i) {
    const rules::Rollback r = nasty_rollback(random);
    const std::string text = progress_text(r, person);
    // It fits by itself: nothing at its end, where it says how it ended, was cut.
    CHECK(utf16_length(text) <= content_max);
    CHECK((r.status != rules::RollbackStatus::success ||
           text.find("Rollback complete") != std::string::npos));
    check_message(json::parse(message_json(text)));
    for (int kind = 2; kind <= 11; ++kind) {
      const rules::Answer answer{0,
                                 static_cast<rules::Answer::Kind>(kind),
                                 r,
                                 {true, nasty(random, 500), nasty(random, 500), r.decided_at}};
      const std::string refused = refused_text(answer, person);
      CHECK(utf16_length(refused) <= content_max);
      check_message(json::parse(message_json(refused)));
    }
  }
}

TEST_CASE("discord limits: also the longest message of all fits, to its last word") {
  const std::string much(5000, '*');
  rules::Rollback r = tests::a_shown_rollback();
  r.version = r.git_commit = r.reason = r.target->version = r.target->git_commit = much;
  r.service = {much, much};
  r.validation.checks.assign(
      30, {rules::Reason::migration, rules::Outcome::violation, true, true, much});
  r.steps.fill({rules::StepStatus::failed, {}, {}, much, {}});
  r.asked = true;
  r.approved = rules::Said{much, much, r.decided_at};
  r.run_url = "https://github.com/" + std::string(131, 'a');
  r.ended_by = rules::Reason::rollback_of_rollback;
  r.completed_at = r.decided_at + rules::seconds{100'000'000};
  for (const auto status : {rules::RollbackStatus::failed, rules::RollbackStatus::aborted,
                            rules::RollbackStatus::in_progress}) {
    r.status = status;
    const std::string text = progress_text(r, "<@" + std::string(20, '4') + ">");
    CHECK(utf16_length(text) <= content_max);
    CHECK(text.ends_with(r.run_url + ">"));
  }
}

TEST_CASE("discord limits: status, history, pause and help are messages, whatever is in them") {
  Random random{tests::seed()};
  CAPTURE(tests::seed());
  for (int i = 0; i < 100; ++i) {
    tests::SetView view;
    view.control_read = rules::ControlRead{};
    view.control_read->pause = {true, nasty(random, 300), nasty(random, 300), rules::Instant{}};
    for (std::int64_t k = random.between(0, 12); k > 0; --k) {
      view.control_read->breakers.push_back({nasty(random, 300), nasty(random, 300), {}});
    }
    json rows = json::array();
    for (std::int64_t k = random.between(0, 40); k > 0; --k) {
      auto service = tests::a_service(nasty(random, 300), tests::discord_bad_id,
                                      static_cast<rules::State>(random.between(0, 7)));
      service.service = {nasty(random, 300), nasty(random, 300)};
      service.errors_per_minute = 1e9 / static_cast<double>(random.between(1, 1000));
      view.set.push_back(std::move(service));
      rows.push_back({{"status", nasty(random, 100)},
                      {"environment", nasty(random, 300)},
                      {"trigger_reason", nasty(random, 2000)},
                      {"initiated_at", nasty(random, 30)},
                      {"rollback_plan", {{"version", nasty(random, 300)}}}});
    }
    const std::string text = rows.dump(-1, ' ', false, json::error_handler_t::replace);
    for (const std::string& said :
         {status_text(view, nasty(random, 200)), history_text(text), help_text(),
          pause_text(view.control_read->pause, "<@1>"), breaker_text(nasty(random, 500), "<@1>")}) {
      CHECK(utf16_length(said) <= content_max);
      check_message(json::parse(answer_json(said))["data"]);
    }
    // Whole lines, and a count of those that found no room.
    const std::string status = status_text(view, std::nullopt);
    const auto lights = [&](const std::string& in) {
      std::size_t count = 0;
      for (const char* light : {"🟢", "🟡", "🔴", "🟠", "🔄"}) {
        count += in.find(std::string{"\n"} + light) != std::string::npos ? 1U : 0U;
      }
      return count;
    };
    CHECK((view.set.empty() || lights(status) > 0 || status.find("more") != std::string::npos));
    for (const char* typed : {"", "a"}) {
      const json answer = json::parse(choices_json(deployment_choices(view, typed)));
      const json breakers = json::parse(choices_json(breaker_choices(view, typed)));
      for (const json& choices : {answer["data"]["choices"], breakers["data"]["choices"]}) {
        CHECK(choices.size() <= choices_max);
        for (const json& choice : choices) {
          for (const char* key : {"name", "value"}) {
            const std::size_t units = utf16_length(choice[key].get<std::string>());
            CHECK(units >= 1);
            CHECK(units <= choice_text_max);
          }
        }
      }
    }
    const auto unclear = deployment_meant(view, nasty(random, 200));
    if (const auto* words = std::get_if<std::string>(&unclear)) {
      CHECK(utf16_length(*words) <= content_max);
    }
    const auto overrides = overrides_meant("x" + nasty(random, 200));
    if (const auto* words = std::get_if<std::string>(&overrides)) {
      CHECK(utf16_length(*words) <= content_max);
    }
  }
}

TEST_CASE("discord limits: a message of nothing, and one of too much, become messages") {
  check_message(json::parse(message_json("")));
  check_message(json::parse(message_json("\x01\n \t")));
  check_message(json::parse(message_json(std::string(100'000, '\\'))));
}

TEST_CASE("discord limits: the commands are within what may be registered") {
  const auto is_name = [](const std::string& name) {
    return !name.empty() && name.size() <= 32 &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
  };
  std::size_t characters = 0;
  std::function<void(const json&)> look = [&](const json& each) {
    CHECK(is_name(each["name"]));
    const std::size_t units = utf16_length(each["description"].get<std::string>());
    CHECK(units >= 1);
    CHECK(units <= 100);
    characters += units + each["name"].get<std::string>().size();
    const json options = each.value("options", json::array());
    CHECK(options.size() <= 25);
    bool may_be_left_out = false;
    for (const json& option : options) {
      // Discord refuses a required option behind one that is not.
      const bool required = option.value("required", false);
      CHECK_FALSE((required && may_be_left_out));
      may_be_left_out = may_be_left_out || (option["type"] != 1 && !required);
      look(option);
    }
  };
  for (const json& command : discord_commands()) {
    look(command);
  }
  CHECK(discord_commands().size() <= 100);
  CHECK(characters <= 8000);
}

}  // namespace rollbackd::engine
