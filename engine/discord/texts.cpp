#include "engine/discord/texts.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "engine/discord/replies.hpp"
#include "engine/foreign_json.hpp"
#include "engine/markdown.hpp"
#include "engine/time_text.hpp"
#include "engine/utf8.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

constexpr std::size_t name_max = 80;
constexpr std::size_t reason_max = 120;
constexpr std::size_t breakers_max = 3;

// Adds whole lines as long as they fit with the count of those that do not.
class Lines {
 public:
  explicit Lines(std::string head) : text_{std::move(head)} {}

  void add(const std::string& line) {
    if (left_out_ == 0 &&
        utf16_length(text_) + 1 + utf16_length(line) + room_for_rest <= content_max) {
      text_ += "\n" + line;
    } else {
      ++left_out_;
    }
  }
  [[nodiscard]] std::string text() && {
    return left_out_ == 0 ? text_ : text_ + "\n… and " + std::to_string(left_out_) + " more";
  }

 private:
  static constexpr std::size_t room_for_rest = 40;

  std::string text_;
  std::size_t left_out_ = 0;
};

std::string_view light_of(rules::State state) {
  switch (state) {
    case rules::State::healthy:
      return "🟢";
    case rules::State::watched:
    case rules::State::rolled_back:
      return "🟡";
    case rules::State::firing:
    case rules::State::rejected:
      return "🔴";
    case rules::State::held:
    case rules::State::proposed:
      return "🟠";
    case rules::State::rolling_back:
      return "🔄";
  }
  return "";
}

std::string line_of(const rules::ServiceView& service) {
  return std::string{light_of(service.state)} + " " +
         escaped_line(service.service.environment + "/" + service.service.name, name_max) + " **" +
         escaped_line(service.version, name_max) + "** " +
         std::string{rules::name_of(service.state)} + ", " +
         rules::number_text(service.errors_per_minute) + " errors/min, " +
         std::to_string(service.recent_errors) + " in 5 min `" +
         service.deployment.text().substr(0, 8) + "`";
}

std::string paused_line(const rules::Pause& pause) {
  return "⏸️ **Paused**" + (pause.by.empty() ? "" : " by " + escaped_line(pause.by, name_max)) +
         (pause.since ? " " + since(rules::second_of(*pause.since)) : "") +
         (pause.reason.empty() ? "" : ": " + escaped_line(pause.reason, reason_max));
}

std::string_view light_of(const std::string& status) {
  return status == "success"   ? "✅"
         : status == "failed"  ? "❌"
         : status == "aborted" ? "⏹️"
         : status == "pending" ? "🗳️"
                               : "🔄";
}

json object_at(const json& object, const char* key) {
  return object.is_object() ? object.value(key, json{}) : json{};
}

std::string line_of_event(const json& row) {
  const json plan = object_at(row, "rollback_plan");
  const std::string target = text_in(object_at(plan, "target"), "version");
  const auto moment = parse_instant(text_in(row, "initiated_at").substr(0, 19) + "Z");
  const std::string status = text_in(row, "status");
  return std::string{light_of(status)} + " " +
         (moment ? since(rules::second_of(*moment)) + " " : "") +
         escaped_line(text_in(row, "environment") + "/" + text_in(row, "service"), name_max) + " " +
         escaped_line(text_in(plan, "version"), name_max) +
         (target.empty() ? "" : " → " + escaped_line(target, name_max)) + " **" +
         escaped_line(status, name_max) + "** (" +
         escaped_line(text_in(row, "trigger_type"), name_max) +
         "): " + escaped_line(text_in(row, "trigger_reason"), reason_max) + " `" +
         escaped_line(text_in(row, "event_id").substr(0, 8), name_max) + "`";
}

}  // namespace

std::string since(rules::Second second) { return "<t:" + std::to_string(second) + ":R>"; }

std::string help_text() {
  return "**Rolling back from here**\n"
         "`/approve rollback deployment_id reason` approves the proposed rollback of a deployment; "
         "where none is proposed it begins one. `deployment_id` completes while you type: the id, "
         "its first characters or the version. The laws and preconditions are looked at first, and "
         "this message shows each step.\n"
         "`override` sets preconditions aside by name (`migration`, `paused`, …), for roles that "
         "may; a law never.\n\n"
         "**Looking**\n"
         "`/rollback status` what serves and how it does\n"
         "`/rollback history` the last rollbacks\n\n"
         "**Emergency stop**\n"
         "`/rollback pause reason` nothing is rolled back any more, also not automatically\n"
         "`/rollback resume reason` ends the pause; with `breaker` it closes the breaker of an "
         "environment after too many rollbacks\n\n"
         "**When Discord does not work**\n"
         "`rollbackctl status`, `rollbackctl approve EVENT --reason …`, `rollbackctl rollback "
         "DEPLOYMENT --reason …`, `rollbackctl pause --reason …`; with everything else down, in "
         "SQL: `update ops.control set paused = true`.";
}

std::string status_text(const View& view, const std::optional<std::string>& other_leader) {
  std::string head;
  const auto say = [&head](const std::string& line) { head += (head.empty() ? "" : "\n") + line; };
  if (other_leader) {
    say("💤 This is a standby; " + (other_leader->empty()
                                       ? "no rollbackd leads at this moment."
                                       : escaped_line(*other_leader, name_max) + " leads."));
  }
  if (!view.has_windows()) {
    say("⏳ The windows are being built for the first time.");
    return head;
  }
  if (!view.is_complete()) {
    say("⚠️ The tables cannot be read at this moment: nothing is judged.");
  }
  if (const auto& control = view.control()) {
    if (control->pause.on) {
      say(paused_line(control->pause));
    }
    for (std::size_t i = 0; i < std::min(control->breakers.size(), breakers_max); ++i) {
      const rules::Breaker& breaker = control->breakers[i];
      say("🧯 The breaker of " + escaped_line(breaker.environment, name_max) + " is open " +
          since(rules::second_of(breaker.opened_at)) + ": " +
          escaped_line(breaker.reason, reason_max));
    }
  }
  std::vector<rules::ServiceView> services = view.services();
  std::stable_sort(services.begin(), services.end(), [](const auto& a, const auto& b) {
    return (a.state == rules::State::healthy) < (b.state == rules::State::healthy);
  });
  say("**" + std::to_string(services.size()) +
      (services.size() == 1 ? " service**, as of " : " services**, as of ") + since(view.as_of()));
  Lines lines{std::move(head)};
  for (const rules::ServiceView& service : services) {
    lines.add(line_of(service));
  }
  return std::move(lines).text();
}

std::string history_text(const std::string& rows) {
  const auto parsed = foreign_json(rows);
  if (!parsed.is_array() || parsed.empty()) {
    return "Nothing was rolled back yet.";
  }
  Lines lines{"**The last rollbacks**"};
  for (const json& row : parsed) {
    lines.add(line_of_event(row));
  }
  return std::move(lines).text();
}

std::string pause_text(const rules::Pause& pause, const std::string& person) {
  return (pause.on ? "⏸️ **Paused** by " : "▶️ **Resumed** by ") + person +
         (pause.reason.empty() ? "" : "\nReason: " + escaped_line(pause.reason, content_max / 2)) +
         (pause.on ? "\nNothing is rolled back until `/rollback resume`." : "");
}

std::string breaker_text(const std::string& environment, const std::string& person) {
  return "🧯 The breaker of " + escaped_line(environment, name_max) + " was **closed** by " +
         person + "\nAutomatic rollbacks go on.";
}

}  // namespace rollbackd::engine
