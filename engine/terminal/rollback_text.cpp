#include "engine/terminal/rollback_text.hpp"

#include <set>

#include <nlohmann/json.hpp>

#include "engine/terminal/json_parts.hpp"
#include "engine/terminal/reason_text.hpp"
#include "engine/terminal/screen.hpp"
#include "rules/value.hpp"

namespace rollbackd::terminal {
namespace {

using nlohmann::json;

constexpr std::size_t hash_shown = 12;

// A value as people write it: no quotes, no 8.0, "-" for null.
std::string shown(const json& value) {
  if (value.is_string()) {
    return printable(value.get<std::string>());
  }
  if (value.is_number()) {
    return rules::number_text(value.get<double>());
  }
  if (value.is_boolean()) {
    return value.get<bool>() ? "yes" : "no";
  }
  return value.is_null() ? "-" : printable(value.dump());
}

// A law's limit has more decimals than people want elsewhere.
std::string exactly(const json& value) {
  std::string text = value.is_number() ? value.dump() : shown(value);
  return value.is_number() && text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

std::string number_text_in(const json& object, const char* key) { return shown(part(object, key)); }

std::string named(const std::string& version, const std::string& commit) {
  return printable(version) + (commit.empty() ? "" : " (" + printable(commit) + ")");
}

// "14:23:01.123", within a story whose date is known.
std::string clock_text(const std::string& timestamp) {
  const auto from = timestamp.find('T');
  std::string text = printable(from == std::string::npos ? timestamp : timestamp.substr(from + 1));
  text = text.substr(0, text.find_first_of("+Z"));
  const std::size_t point = text.find('.');
  return point == std::string::npos ? text + ".000" : (text + "000").substr(0, point + 4);
}

std::string meaning_lines(const std::string& reason, const std::string& indent) {
  const auto known = rules::reason_named(reason);
  if (!known) {
    return {};
  }
  const ReasonText text = text_of(*known);
  std::string lines = indent + reason + ": " + std::string{text.meaning} + "\n";
  if (!text.remedy.empty()) {
    lines += indent + "  " + std::string{text.remedy} + "\n";
  }
  return lines;
}

std::string said_text(const json& metadata, const char* key, const char* verb) {
  const json said = part(metadata, key);
  if (!said.is_object()) {
    return {};
  }
  const std::string by = text_of(said, "by");
  const std::string reason = text_of(said, "reason");
  return std::string{"  "} + verb + " by " + (by.empty() ? "somebody" : printable(by)) + " at " +
         clock_text(text_of(said, "at")) + (reason.empty() ? "" : ": " + printable(reason)) + "\n";
}

std::string rollback_headline(const json& row) {
  const json plan = part(row, "rollback_plan");
  const json target = part(plan, "target");
  const json metadata = part(row, "metadata");
  std::string text =
      coloured(Colour::bold, "Rollback " + shown_of(row, "event_id")) + "  " +
      word(text_of(row, "status")) + "\n  " +
      printable(text_of(row, "environment") + "/" + text_of(row, "service")) + ": " +
      named(text_of(plan, "version"), text_of(plan, "git_commit")) + " → " +
      (target.is_object() ? named(text_of(target, "version"), text_of(target, "git_commit"))
                          : "no target") +
      "\n  " + shown_of(row, "trigger_type") + ", decided " +
      time_text(text_of(row, "initiated_at")) + ": " + shown_of(row, "trigger_reason") + "\n";
  std::string who = text_of(row, "initiated_by");
  who = who.empty() ? text_of(metadata, "initiated_by") : who;
  text += who.empty() ? "" : "  asked for by " + printable(who) + "\n";
  text += said_text(metadata, "approved", "approved") + said_text(metadata, "aborted", "aborted");
  if (const json overrides = part(metadata, "overrides"); overrides.is_array()) {
    std::string names;
    for (const json& name : overrides) {
      names += (names.empty() ? "" : ", ") + shown(name);
    }
    text += "  overridden: " + names + "\n";
  }
  if (text_of(row, "status") == "pending" && !text_of(metadata, "expires_at").empty()) {
    text += "  waits for a person until " + time_text(text_of(metadata, "expires_at")) +
            ": rollbackctl approve, or abort\n";
  }
  text += meaning_lines(text_of(metadata, "ended_by"), "  ended by ");
  if (const std::string url = text_of(metadata, "run_url"); !url.empty()) {
    text += "  run: " + printable(url) + "\n";
  }
  if (text_of(metadata, "written_by") != "rollbackd") {
    text += "  written by somebody else: rollbackd shows it and never executes it\n";
  }
  return text;
}

std::string evidence_text(const json& evidence) {
  if (!evidence.is_object()) {
    return {};
  }
  std::string text = heading("Evidence, as of " + time_text(text_of(evidence, "as_of")));
  if (const std::string trigger = text_of(evidence, "trigger"); !trigger.empty()) {
    const json window = part(evidence, "window_seconds");
    const bool has_window = window.is_number() && window.get<double>() > 0;
    text += "  " + printable(trigger) + " fired: " + shown_of(evidence, "signal") +
            (has_window ? " over " + shown(window) + " s" : std::string{}) + " was " +
            number_text_in(evidence, "measured") + ", the limit is " +
            number_text_in(evidence, "above") + "\n";
  }
  return text + "  errors in the last minute " + number_text_in(evidence, "errors_per_minute") +
         ", in 5 minutes " + number_text_in(evidence, "recent_errors") + "; connections in use " +
         number_text_in(evidence, "connection_utilisation") + " %; entropy " +
         number_text_in(evidence, "entropy") + "\n";
}

std::string validation_text(const json& validation) {
  const json checks = part(validation, "checks");
  if (!checks.is_array() || checks.empty()) {
    return {};
  }
  const bool passed = part(validation, "compliant") == true;
  std::string text = coloured(Colour::bold, "Constitutional validation") + "  " +
                     coloured(passed ? Colour::green : Colour::red, passed ? "PASSED" : "FAILED") +
                     "\n";
  Table table{{"  CHECK", "OUTCOME", "MEASURED", "LIMIT"}};
  for (const json& check : checks) {
    table.add({"  " + shown_of(check, "name"), word(text_of(check, "outcome")),
               exactly(part(check, "measured")), exactly(part(check, "limit"))});
  }
  text += table.text();
  for (const json& check : checks) {
    const std::string outcome = text_of(check, "outcome");
    if (outcome != "compliant") {
      text += "  " + word(outcome) + ": " + shown_of(check, "text") + "\n";
      text += outcome == "violation" ? meaning_lines(text_of(check, "name"), "    ") : "";
    }
  }
  return text;
}

std::string step_details(const json& step) {
  std::string text = shown_of(step, "error");
  const json metadata = part(step, "metadata");
  if (!metadata.is_object()) {
    return text;
  }
  for (const auto& [key, value] : metadata.items()) {
    text += (text.empty() ? "" : "; ") + printable(key) + ": " + shown(value);
  }
  return text;
}

// When a step began is told from the decision on.
std::string steps_text(const json& row) {
  const json steps = part(row, "rollback_steps");
  if (!steps.is_array() || steps.empty()) {
    return {};
  }
  const auto decided = moment_of(text_of(row, "initiated_at"));
  Table table{{"  STEP", "STATUS", "AFTER", "TOOK", "DETAILS"}};
  for (const json& step : steps) {
    const auto from = moment_of(text_of(step, "started_at"));
    const auto until = moment_of(text_of(step, "completed_at"));
    table.add({"  " + shown_of(step, "name"), word(text_of(step, "status")),
               from && decided ? length_text(*from - *decided) : "-",
               from && until ? length_text(*until - *from) : "-", step_details(step)});
  }
  std::string text = heading("Steps") + table.text();
  const auto completed = moment_of(text_of(row, "completed_at"));
  if (decided && completed) {
    text += "  ended " + time_text(text_of(row, "completed_at")) + ", " +
            length_text(*completed - *decided) + " after the decision\n";
  }
  return text;
}

// What differs between the first snapshot of the bad deployment and the one before its rollback.
std::string snapshots_text(const json& snapshots) {
  if (!snapshots.is_array() || snapshots.empty()) {
    return {};
  }
  std::string text = heading("Snapshots");
  Table table{{"  WHEN", "TYPE", "SCHEMA", "ROWS", "METRICS"}};
  std::set<std::string> schemas;
  for (const json& snapshot : snapshots) {
    double counted = 0;
    const json counts = part(snapshot, "table_counts");
    if (counts.is_object()) {
      for (const auto& [table_name, count] : counts.items()) {
        counted += count.is_number() ? count.get<double>() : 0;
      }
    }
    std::string metrics;
    const json measured = part(snapshot, "key_metrics");
    if (measured.is_object()) {
      for (const auto& [key, value] : measured.items()) {
        metrics += value.is_number() ? (metrics.empty() ? "" : ", ") + key + " " + shown(value)
                                     : std::string{};
      }
    }
    const std::string schema = text_of(snapshot, "database_schema_hash").substr(0, hash_shown);
    schemas.insert(schema);
    table.add({"  " + clock_text(text_of(snapshot, "created_at")),
               shown_of(snapshot, "snapshot_type"), schema.empty() ? "-" : printable(schema),
               counts.is_object() ? rules::number_text(counted) : "-", printable(metrics)});
  }
  text += table.text();
  return text +
         (schemas.size() > 1 ? "  The schema of the database has changed in between.\n" : "");
}

std::string notifications_text(const json& notifications) {
  if (!notifications.is_array() || notifications.empty()) {
    return {};
  }
  std::string text = heading("Notifications");
  for (const json& message : notifications) {
    const std::string sent = text_of(message, "sent_at");
    const std::string error = text_of(message, "last_error");
    text += "  " + shown_of(message, "kind") + ": " +
            (sent.empty() ? "not delivered, " + number_text_in(message, "attempts") + " attempts"
                          : "delivered " + clock_text(sent)) +
            (error.empty() ? "" : "; the last error: " + printable(error)) + "\n";
  }
  return text;
}

std::string errors_text(const json& samples) {
  if (!samples.is_array() || samples.empty()) {
    return {};
  }
  std::string text = heading("The last errors before the decision");
  for (const json& sample : samples) {
    text += "  " + clock_text(text_of(sample, "timestamp")) + "  " + shown_of(sample, "severity") +
            "  " + shown_of(sample, "message") + "\n";
  }
  return text;
}

}  // namespace

std::string time_text(const std::string& timestamp) {
  constexpr std::size_t date = 10;
  constexpr std::size_t second = 19;
  return timestamp.size() < second ? "-"
                                   : printable(timestamp.substr(0, date) + " " +
                                               timestamp.substr(date + 1, second - date - 1)) +
                                         " UTC";
}

std::string decisions_text(const json& events) {
  std::string text;
  std::set<std::string> explained;
  for (const json& event : events) {
    const std::string severity = text_of(event, "severity");
    text += "  " + time_text(text_of(event, "timestamp")) + "  " +
            coloured(severity == "info" ? Colour::plain : colour_of(severity),
                     shown_of(event, "event_type")) +
            "  " + shown_of(event, "description") + "\n";
    const std::string reasons = text_of(part(event, "metadata"), "reasons");
    for (const rules::Reason reason : rules::all_reasons()) {
      const std::string name{rules::name_of(reason)};
      if ((", " + reasons + ",").find(", " + name + ",") != std::string::npos &&
          explained.insert(name).second) {
        text += meaning_lines(name, "    ");
      }
    }
  }
  return text;
}

std::string rollback_text(const json& row) {
  std::string text = rollback_headline(row) +
                     evidence_text(part(part(row, "rollback_plan"), "evidence")) +
                     validation_text(part(row, "constitutional_validation")) + steps_text(row) +
                     snapshots_text(part(row, "snapshots"));
  if (const json decisions = part(row, "decisions"); decisions.is_array() && !decisions.empty()) {
    text += heading("What the journal tells") + decisions_text(decisions);
  }
  return text + notifications_text(part(row, "notifications")) +
         errors_text(part(row, "sample_errors"));
}

}  // namespace rollbackd::terminal
