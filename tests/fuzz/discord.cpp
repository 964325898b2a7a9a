// Alerts as Discord's messages, whatever is in them, and Discord's answers. Input: an alert's
// payload; the same bytes are read as an answer, too.

#include "engine/notify/discord.hpp"

#include <nlohmann/json.hpp>

#include "engine/markdown.hpp"
#include "engine/notify/alert_text.hpp"
#include "engine/outgoing/discord_rest.hpp"
#include "engine/utf8.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/answer.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/promises.hpp"

namespace rollbackd::fuzz {
namespace {

using nlohmann::json;

std::size_t units(const json& object, const char* key) {
  return object.contains(key) ? engine::utf16_length(object[key].get<std::string>()) : 0;
}

// Discord's limits of an embed, in UTF-16 units.
void look_at_embed(const json& embed) {
  INVARIANT(units(embed, "title") >= 1 && units(embed, "title") <= 256);
  INVARIANT(units(embed, "description") <= 4096);
  std::size_t all = units(embed, "title") + units(embed, "description");
  INVARIANT(embed["fields"].size() <= 25);
  for (const json& field : embed["fields"]) {
    INVARIANT(units(field, "name") >= 1 && units(field, "name") <= 256);
    INVARIANT(units(field, "value") >= 1 && units(field, "value") <= 1024);
    all += units(field, "name") + units(field, "value");
  }
  if (embed.contains("footer")) {
    INVARIANT(units(embed["footer"], "text") <= 2048);
    all += units(embed["footer"], "text");
  }
  INVARIANT(all <= 6000);
}

void look_at_message(std::string_view input) {
  const json alert = json::parse(input, nullptr, false);
  const auto body = engine::discord_body(std::string{input});
  INVARIANT(static_cast<bool>(body) == alert.is_object());
  if (!body) {
    return;
  }
  const json message = json::parse(*body);
  INVARIANT(message["allowed_mentions"] == json({{"parse", json::array()}}));
  INVARIANT(message["embeds"].size() == 1);
  look_at_embed(message["embeds"][0]);
  INVARIANT(engine::utf16_length(engine::advice_for(alert)) <= engine::advice_max);
}

void look_at_markdown(std::string_view input) {
  const std::size_t most = 1 + number_of(input) % 100;
  const std::string line = engine::escaped_line(input, most);
  INVARIANT(engine::utf16_length(line) <= most && is_utf8(line));
  INVARIANT(line.find('\n') == std::string::npos);
  const std::string text = engine::escaped(input, most);
  INVARIANT(engine::utf16_length(text) <= most && is_utf8(text));
}

void look_at_verdict(std::string_view input) {
  engine::HttpOutcome outcome;
  outcome.response = answer_in(input);
  const engine::Verdict verdict = engine::verdict_of(outcome);
  INVARIANT(verdict.pause >= rules::Duration{} && verdict.pause <= rules::seconds{3601});
  INVARIANT((verdict.kind == engine::Verdict::Kind::delivered) == outcome.response->is_success());
  INVARIANT(verdict.error.empty() == outcome.response->is_success());
  INVARIANT(is_utf8(verdict.error) && verdict.error.size() <= 1000);
}

void run(std::string_view input) {
  look_at_message(input);
  look_at_markdown(input);
  look_at_verdict(input);
}

const Registered target{{"discord", run}};

}  // namespace
}  // namespace rollbackd::fuzz
