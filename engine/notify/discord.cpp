#include "engine/notify/discord.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/notify/alert_text.hpp"
#include "engine/markdown.hpp"
#include "engine/time_text.hpp"
#include "engine/utf8.hpp"
#include "rules/value.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

// What one alert may take, in UTF-16 units, so that Discord's own limits are never met: 256 for a
// title, 4096 for a description, 1024 for a field's value, 2048 for a footer and 6000 for all of
// them.
namespace most {
constexpr std::size_t title = 64;
constexpr std::size_t description = 256;
constexpr std::size_t word = 64;
constexpr std::size_t name = 128;
constexpr std::size_t version = 256;
constexpr std::size_t line = 300;
constexpr std::size_t text = 1024;
constexpr std::size_t details = 600;
constexpr std::size_t url = 200;
constexpr std::size_t footer = 128;
constexpr std::size_t field_names = 144;  // together

// Deployment and Target; Environment and Service; Trigger and Duration; Reason, Status and Error.
static_assert(title + description + 2 * version + 2 * name + 2 * word + 3 * text + details + url +
                  advice_max + footer + field_names <=
              6000);
}  // namespace most

struct Look {
  std::string_view kind;
  std::string_view title;
  int color;
  std::string_view description;
  bool has_error = false;
  bool is_decided = true;  // there is a rollback, or was nearly one
};

constexpr std::array<Look, 11> looks{{
    {"initiated", "🚨 ROLLBACK INITIATED", 0xE67E22, "rollbackd is executing the rollback…"},
    {"completed", "✅ ROLLBACK COMPLETED", 0x2ECC71, "The target serves, and it is healthy."},
    {"failed", "❌ ROLLBACK FAILED", 0xE74C3C, "Manual intervention is required.", true},
    {"aborted", "⏹️ ROLLBACK ABORTED", 0x95A5A6, "It ended early; the error says why.", true},
    {"rejected", "⛔ ROLLBACK REJECTED", 0x992D22, "It was refused; nothing was changed.", true},
    {"proposed", "🗳️ ROLLBACK PROPOSED", 0x3498DB, "It happens only if a person approves it."},
    {"held", "✋ ROLLBACK HELD", 0xF1C40F, "It would happen now, and something holds it.", false,
     false},
    {"breaker_opened", "🧯 BREAKER OPENED", 0xE74C3C,
     "Automatic rollbacks of this environment stop until a person closes it.", false, false},
    {"late_success", "⚠️ ROLLBACK SUCCEEDED LATE", 0xE67E22,
     "A deploy that had been given up happened after all: the target serves."},
    {"redeployed", "🔁 ROLLED BACK VERSION DEPLOYED AGAIN", 0xF1C40F,
     "This version was rolled back before, and it serves again.", false, false},
    {"paused", "⏸️ ROLLBACKS PAUSED", 0xF1C40F,
     "No rollback is dispatched until a person ends the pause.", false, false},
}};

std::vector<std::string> texts_of(const json& object, std::string_view key) {
  std::vector<std::string> texts;
  if (const auto found = object.find(key); found != object.end() && found->is_array()) {
    for (const json& text : *found) {
      if (text.is_string()) {
        texts.push_back(text.get<std::string>());
      }
    }
  }
  return texts;
}

struct Embed {
  // An empty value is left out, because Discord refuses it.
  void add(std::string_view name, const std::string& value, bool beside = false) {
    if (value.find_first_not_of(" \n\t") != std::string::npos) {
      fields.push_back({{"name", name}, {"value", value}, {"inline", beside}});
    }
  }

  json fields = json::array();
};

std::string look_title(const json& alert, const Look* look) {
  if (look != nullptr) {
    return std::string{look->title};
  }
  std::string kind = plain_text(text_of(alert, "kind"));
  std::transform(kind.begin(), kind.end(), kind.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return kind.empty() ? "ROLLBACK" : "ROLLBACK " + cut_end(kind, most::title / 2);
}

std::string short_commit(const std::string& commit) {
  const bool is_hash =
      commit.size() > 12 && commit.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  return is_hash ? commit.substr(0, 7) : commit;
}

std::string with_brackets(const std::string& version, const std::string& detail) {
  std::string text = escaped_line(version, most::version / 2);
  if (const std::string inside = escaped_line(detail, most::version / 2 - 3); !inside.empty()) {
    text += (text.empty() ? "(" : " (") + inside + ")";
  }
  return text;
}

std::string target_of(const json& alert) {
  const auto target = alert.find("target");
  if (target == alert.end() || !target->is_object()) {
    return target == alert.end() ? "" : "none";
  }
  return with_brackets(text_of(*target, "version"), short_commit(text_of(*target, "git_commit")));
}

std::string trigger_of(const json& alert) {
  const std::string type = text_of(alert, "trigger_type");
  if (type == "automatic") {
    return "Automatic";
  }
  if (type == "manual") {
    return "Manual";
  }
  return type == "constitutional_violation" ? "Constitutional violation"
                                            : escaped_line(type, most::word);
}

// APPROVED or REJECTED, and why; what does not fit is counted.
std::string status_of(const json& alert) {
  const auto validation = alert.find("validation");
  if (validation == alert.end() || !validation->is_object()) {
    return {};
  }
  const auto compliant = validation->find("compliant");
  std::vector<std::string> lines;
  for (const std::string& violation : texts_of(*validation, "violations")) {
    lines.push_back("• " + escaped_line(violation, most::line));
  }
  for (const std::string& warning : texts_of(*validation, "warnings")) {
    lines.push_back("⚠️ " + escaped_line(warning, most::line));
  }
  std::string text = compliant != validation->end() && *compliant == true ? "APPROVED" : "REJECTED";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string more = "\n… and " + std::to_string(lines.size() - i) + " more";
    if (utf16_length(text) + 1 + utf16_length(lines[i]) + more.size() > most::text) {
      return text + more;
    }
    text += '\n' + lines[i];
  }
  return text;
}

std::string duration_of(const json& alert) {
  const auto seconds = alert.find("duration_seconds");
  if (seconds == alert.end() || !seconds->is_number()) {
    return {};
  }
  return cut_end(rules::number_text(seconds->get<double>()), most::word / 2) + " seconds";
}

std::string error_of(const json& alert) {
  std::string error = text_of(alert, "error");
  if (error.empty()) {
    error = text_of(alert, "ended_by");
  }
  return escaped(error, most::text);
}

std::optional<std::string> moment_of(const json& alert) {
  for (const char* key : {"completed_at", "decided_at"}) {
    if (const auto moment = parse_instant(text_of(alert, key))) {
      return instant_text(*moment);
    }
  }
  return std::nullopt;
}

json embed_of(const json& alert) {
  const auto* look = std::find_if(looks.begin(), looks.end(), [&](const Look& known) {
    return known.kind == text_of(alert, "kind");
  });
  const bool known = look != looks.end();
  Embed embed;
  embed.add("Deployment",
            with_brackets(text_of(alert, "version"), id_of(alert, "deployment_id").substr(0, 8)),
            true);
  embed.add("Environment", escaped_line(text_of(alert, "environment"), most::name), true);
  embed.add("Service", escaped_line(text_of(alert, "service"), most::name), true);
  embed.add("Reason", escaped(text_of(alert, "reason"), most::text));
  if (!known || look->is_decided) {
    embed.add("Trigger", trigger_of(alert), true);
    embed.add("Target", target_of(alert), true);
    embed.add("Duration", duration_of(alert), true);
    embed.add("Constitutional Status", status_of(alert));
  }
  if (known && look->has_error) {
    embed.add("Error", error_of(alert));
  }
  embed.add("Details", escaped(text_of(alert, "text"), most::details));
  if (const std::string url = text_of(alert, "run_url"); utf16_length(url) <= most::url / 2) {
    embed.add("Run", escaped_line(url, most::url));
  }
  embed.add("What to do", advice_for(alert));
  json body{{"title", look_title(alert, known ? look : nullptr)}, {"fields", embed.fields}};
  if (known) {
    body["color"] = look->color;
    body["description"] = look->description;
  }
  if (const std::string event = id_of(alert, "event_id"); !event.empty()) {
    body["footer"] = {{"text", "rollbackd · event " + event}};
  }
  if (const auto moment = moment_of(alert)) {
    body["timestamp"] = *moment;
  }
  return body;
}

}  // namespace

Result<std::string> discord_body(const std::string& alert) {
  const json parsed = json::parse(alert, nullptr, false);
  if (!parsed.is_object()) {
    return Error{"the payload is no JSON object", "it is no alert of rollbackd: delete the row"};
  }
  const json body{{"allowed_mentions", {{"parse", json::array()}}},
                  {"embeds", json::array({embed_of(parsed)})}};
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace rollbackd::engine
