#include "rules/story.hpp"

namespace rollbackd::rules {

RomanEvent story_of(const Rollback& rollback, std::string event_type, std::string severity,
                    std::string description) {
  RomanEvent event;
  event.event_type = std::move(event_type);
  event.severity = std::move(severity);
  event.description = std::move(description);
  event.deployment = rollback.deployment;
  event.service = rollback.service;
  event.metadata = {{"event_id", rollback.id.text()},
                    {"version", rollback.version},
                    {"trigger_type", std::string{name_of(rollback.type)}},
                    {"trigger_reason", rollback.reason}};
  if (!rollback.initiated_by.empty()) {
    event.metadata.push_back({"initiated_by", rollback.initiated_by});
  }
  if (!rollback.token.empty()) {
    event.metadata.push_back({"token", rollback.token});
  }
  if (!rollback.overrides.empty()) {
    event.metadata.push_back({"overrides", joined(rollback.overrides)});
  }
  if (rollback.ended_by) {
    event.metadata.push_back({"reason", std::string{name_of(*rollback.ended_by)}});
  }
  return event;
}

RomanEvent story_of_abort(const Rollback& rollback, std::string severity, std::string description) {
  RomanEvent event =
      story_of(rollback, "rollback_aborted", std::move(severity), std::move(description));
  if (rollback.aborted) {
    add_said(event, *rollback.aborted);
  }
  return event;
}

// The token is the speaker's, not that of who asked for the rollback.
void add_said(RomanEvent& event, const Said& said) {
  event.metadata.push_back({"by", said.by});
  event.metadata.push_back({"why", said.reason});
  if (!said.token.empty()) {
    std::erase_if(event.metadata, [](const Field& field) { return field.key == "token"; });
    event.metadata.push_back({"token", said.token});
  }
}

RomanEvent story_of_step(const Rollback& rollback, StepName name) {
  const Step& step = rollback.step(name);
  RomanEvent event =
      story_of(rollback, "rollback_step", step.error.empty() ? "info" : "warning",
               std::string{name_of(name)} + ": " + std::string{name_of(step.status)} +
                   (step.error.empty() ? "" : ": " + step.error));
  event.metadata.push_back({"step", std::string{name_of(name)}});
  event.metadata.push_back({"status", std::string{name_of(step.status)}});
  if (step.started_at && step.completed_at) {
    event.metadata.push_back(
        {"duration_seconds", in_seconds(*step.completed_at - *step.started_at)});
  }
  return event;
}

RomanEvent story_of_validation(const Rollback& rollback) {
  const bool compliant = rollback.validation.compliant();
  std::string text =
      compliant ? "Constitutional validation passed" : "Constitutional validation failed";
  for (const std::string& violation : rollback.validation.texts(Outcome::violation)) {
    text += ": " + violation;
  }
  RomanEvent event =
      story_of(rollback, "rollback_validation", compliant ? "info" : "error", std::move(text));
  for (const Check& check : rollback.validation.checks) {
    event.metadata.push_back(
        {std::string{name_of(check.name)}, std::string{name_of(check.outcome)}});
  }
  event.metadata.push_back({"entropy", rollback.evidence.entropy});
  return event;
}

}  // namespace rollbackd::rules
