#include "engine/terminal/deployment_text.hpp"

#include <nlohmann/json.hpp>

#include "engine/terminal/json_parts.hpp"
#include "engine/terminal/rollback_text.hpp"
#include "engine/terminal/screen.hpp"
#include "rules/value.hpp"

namespace rollbackd::terminal {
namespace {

using nlohmann::json;

constexpr std::size_t id_shown = 8;

std::string deployment_headline(const json& row) {
  const std::string deployed = text_of(row, "deployed_at");
  const std::string replaced = text_of(row, "replaced_at");
  std::string text = coloured(Colour::bold, "Deployment " + shown_of(row, "deployment_id")) + "  " +
                     word(text_of(row, "status")) + "\n  " + shown_of(row, "version") + " (" +
                     shown_of(row, "git_commit") + ") of " +
                     printable(text_of(row, "environment") + "/" + text_of(row, "service")) + "\n";
  if (deployed.empty()) {
    text += "  has not been deployed yet\n";
  } else {
    text += "  deployed " + time_text(deployed) +
            (is_true(row, "is_current") ? ", and current now"
             : replaced.empty()         ? std::string{}
                                        : ", replaced " + time_text(replaced)) +
            "\n";
  }
  if (const std::string from = shown_of(row, "rollback_from"); !from.empty()) {
    text += "  the result of a rollback, of " + from + "\n";
  }
  const bool passed = is_true(row, "health_check_passed");
  return text + "  health check " + (passed ? "passed" : "not passed") + "\n";
}

// The worst it got, beside what the triggers of the usual windows ask for. A window slides with
// whole seconds in the daemon, so that one event more or less is possible there.
std::string errors_text(const json& row, const json& triggers) {
  const json errors = part(row, "errors");
  const double count = number_of(errors, "count");
  std::string text = heading("Errors of its time");
  if (count == 0) {
    return text + "  none\n";
  }
  const double minute = number_of(errors, "worst_minute");
  const double five_minutes = number_of(errors, "worst_5_minutes");
  text += "  " + rules::number_text(count) + " in all; at most " + rules::number_text(minute) +
          " within a minute (until " + time_text(text_of(errors, "worst_minute_at")) + "), " +
          rules::number_text(five_minutes) + " within 5 minutes\n";
  for (const json& trigger : triggers) {
    const std::string signal = text_of(trigger, "signal");
    const double window = number_of(trigger, "window_seconds");
    const bool of_minute = signal == "errors_per_minute" && window == 60;
    const bool of_five = signal == "errors" && window == 300;
    if (of_minute || of_five) {
      const double above = number_of(trigger, "above");
      const bool exceeded = (of_minute ? minute : five_minutes) > above;
      text += "  " + shown_of(trigger, "name") + " fires above " + rules::number_text(above) +
              ": " + (exceeded ? coloured(Colour::red, "exceeded") : "not reached") + "\n";
    }
  }
  return text;
}

bool has_decided(const json& events) {
  for (const json& event : events) {
    const std::string type = text_of(event, "event_type");
    if (type != "deployment_seen" && type != "deployment_verified") {
      return true;
    }
  }
  return false;
}

bool was_seen(const json& events) {
  for (const json& event : events) {
    if (text_of(event, "event_type") == "deployment_seen") {
      return true;
    }
  }
  return false;
}

// What stands in the way of acting at this moment.
std::string standing_text(const json& row) {
  std::string text;
  const json pause = part(row, "pause");
  if (is_true(pause, "paused")) {
    text += "  " + coloured(Colour::red, "paused") + " by " + shown_of(pause, "paused_by") +
            " since " + time_text(text_of(pause, "since")) + ": " + shown_of(pause, "reason") +
            "\n";
  }
  for (const json& breaker : rows_of(row, "breakers")) {
    text += "  " + coloured(Colour::red, "breaker open") + " since " +
            time_text(text_of(breaker, "opened_at")) + ": " + shown_of(breaker, "reason") + "\n";
  }
  const json leader = part(row, "leader");
  const std::string holder = text_of(leader, "holder");
  text += holder.empty() ? "  no daemon has ever led here\n"
                         : "  " + printable(holder) + " led last, since " +
                               time_text(text_of(leader, "since")) + "\n";
  return heading("What holds now") + text;
}

std::string nothing_text(const json& row, bool seen) {
  if (text_of(row, "deployed_at").empty()) {
    return "  Nothing: it has not been deployed yet, so that it is not judged.\n";
  }
  if (!seen) {
    return "  Nothing, and no daemon noted its arrival: none was running, none led, or it was "
           "over\n"
           "  before one looked. `rollbackd doctor` says whether one would see the next.\n";
  }
  return "  Nothing was decided: while it was watched no row of the trigger table held. What is\n"
         "  not told twice (the same hold, an active rollback of the service) has no row either.\n";
}

}  // namespace

std::string deployment_text(const json& row, const json& triggers) {
  const json decisions = rows_of(row, "decisions");
  std::string text =
      deployment_headline(row) + errors_text(row, triggers) + heading("What was decided");
  text += decisions_text(decisions);
  if (!has_decided(decisions)) {
    text += nothing_text(row, was_seen(decisions));
  }
  if (const json rollbacks = rows_of(row, "rollbacks"); !rollbacks.empty()) {
    text += heading("Its rollbacks");
    Table table{{"  EVENT", "DECIDED", "TYPE", "STATUS", "ENDED BY", "REASON"}};
    for (const json& rollback : rollbacks) {
      table.add({"  " + printable(text_of(rollback, "event_id").substr(0, id_shown)),
                 time_text(text_of(rollback, "initiated_at")), shown_of(rollback, "trigger_type"),
                 word(text_of(rollback, "status")), shown_of(rollback, "ended_by"),
                 shown_of(rollback, "trigger_reason")});
    }
    text += table.text() + "  The whole story of one: rollbackd explain EVENT\n";
  }
  if (const json around = rows_of(row, "around"); !around.empty()) {
    text += heading("What else happened in its time") + decisions_text(around);
  }
  return text + standing_text(row);
}

}  // namespace rollbackd::terminal
