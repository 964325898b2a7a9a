#include "engine/telemetry/decision_log.hpp"

#include <algorithm>
#include <string>
#include <variant>

namespace rollbackd::engine {
namespace {

LogLevel level_of(std::string_view severity) {
  if (severity == "error") {
    return LogLevel::error;
  }
  return severity == "warning" ? LogLevel::warning : LogLevel::info;
}

void write(Log& log, const rules::RomanEvent& event) {
  rules::Fields fields{{"environment", event.service.environment}, {"service", event.service.name}};
  if (event.deployment) {
    fields.push_back({"deployment_id", event.deployment->text()});
  }
  fields.push_back({"description", event.description});
  for (const rules::Field& field : event.metadata) {
    const bool is_told = std::any_of(fields.begin(), fields.end(), [&](const rules::Field& told) {
      return told.key == field.key;
    });
    if (!is_told) {
      fields.push_back(field);
    }
  }
  log.write(level_of(event.severity), event.event_type, fields);
}

}  // namespace

void DecisionLog::decided(const rules::Output& output) {
  for (const rules::Explanation& why : output.explanations) {
    log_.info("decision", {{"environment", why.service.environment},
                           {"service", why.service.name},
                           {"deployment_id", why.deployment.text()},
                           {"reason", std::string{name_of(why.reason)}},
                           {"trigger", why.trigger},
                           {"measured", why.measured},
                           {"limit", why.above}});
  }
  if (output.audit && (output.audit->drift > 0 || output.audit->removed > 0)) {
    log_.write(output.audit->drift > 0 ? LogLevel::error : LogLevel::info, "audit_differs",
               {{"why", std::string{output.audit->drift > 0 ? "window_drift" : "rows_removed"}},
                {"drift", static_cast<std::int64_t>(output.audit->drift)},
                {"removed", static_cast<std::int64_t>(output.audit->removed)},
                {"foreign_rows", static_cast<std::int64_t>(output.audit->foreign_rows)}});
  }
  next_.decided(output);
}

void DecisionLog::committed(const rules::Commit& commit, rules::Duration waited) {
  for (const rules::JournalEntry& entry : commit.entries) {
    if (const auto* event = std::get_if<rules::RomanEvent>(&entry)) {
      write(log_, *event);
    }
  }
  next_.committed(commit, waited);
}

}  // namespace rollbackd::engine
