#include "engine/rollback_json.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "engine/foreign_json.hpp"
#include "engine/time_text.hpp"
#include "rules/policy.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

json json_of(const rules::Value& value) {
  return std::visit([](const auto& known) { return json(known); }, value);
}

json json_of(const std::optional<rules::Instant>& moment) {
  return moment ? json(instant_text(*moment)) : json(nullptr);
}

std::optional<rules::Instant> instant_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) {
    return std::nullopt;
  }
  return parse_instant(found->get<std::string>());
}

// Whether a number of JSON is a whole one that this type holds; of others, a cast is undefined.
template <class Number>
bool is_whole(const json& value) {
  return value.is_number_unsigned()
             ? std::in_range<Number>(value.get<std::uint64_t>())
             : value.is_number_integer() && std::in_range<Number>(value.get<std::int64_t>());
}

// Absent: 0.
template <class Number>
Number whole_in(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found != object.end() && !is_whole<Number>(*found)) {
    throw std::runtime_error{std::string{key} + " is no whole number"};
  }
  return found == object.end() ? Number{0} : found->template get<Number>();
}

rules::Value value_of(const json& value) {
  if (value.is_boolean()) {
    return value.get<bool>();
  }
  if (is_whole<std::int64_t>(value)) {
    return value.get<std::int64_t>();
  }
  if (value.is_number()) {
    return value.get<double>();
  }
  return value.is_string() ? value.get<std::string>() : value.dump();
}

rules::Fields fields_of(const json& object) {
  rules::Fields fields;
  if (!object.is_object()) {
    return fields;
  }
  for (const auto& [key, value] : object.items()) {
    fields.push_back({key, value_of(value)});
  }
  return fields;
}

json evidence_json(const rules::Evidence& e) {
  return {{"trigger", e.trigger},
          {"signal", e.signal},
          {"window_seconds", e.window},
          {"measured", e.measured},
          {"above", e.above},
          {"errors_per_minute", e.errors_per_minute},
          {"recent_errors", e.recent_errors},
          {"connection_utilisation", e.connection_utilisation},
          {"entropy", e.entropy},
          {"as_of", second_text(e.as_of)}};
}

rules::Evidence evidence_of(const json& j) {
  rules::Evidence e;
  e.trigger = j.value("trigger", "");
  e.signal = j.value("signal", "");
  e.window = whole_in<rules::Second>(j, "window_seconds");
  e.measured = j.value("measured", 0.0);
  e.above = j.value("above", 0.0);
  e.errors_per_minute = j.value("errors_per_minute", 0.0);
  e.recent_errors = whole_in<std::int64_t>(j, "recent_errors");
  e.connection_utilisation = j.value("connection_utilisation", 0.0);
  e.entropy = j.value("entropy", 0.0);
  if (const auto as_of = instant_of(j, "as_of")) {
    e.as_of = rules::second_of(*as_of);
  }
  return e;
}

json verdict_json(const rules::Validation& validation) {
  return {{"compliant", validation.compliant()},
          {"violations", validation.texts(rules::Outcome::violation)},
          {"warnings", validation.texts(rules::Outcome::warning)}};
}

template <class Id>
Id id_of(const json& object, const char* key) {
  const auto id = Id::parse(object.at(key).get<std::string>());
  if (!id) {
    throw std::runtime_error{std::string{key} + " is no uuid"};
  }
  return *id;
}

std::optional<rules::Target> target_of(const json& j) {
  if (!j.is_object()) {
    return std::nullopt;
  }
  return rules::Target{id_of<rules::DeploymentId>(j, "deployment_id"), j.value("version", ""),
                       j.value("git_commit", ""), instant_of(j, "deployed_at"),
                       j.value("health_check_passed", false)};
}

json said_json(const rules::Said& said) {
  json all{{"by", said.by}, {"reason", said.reason}, {"at", instant_text(said.at)}};
  if (!said.token.empty()) {
    all["token"] = said.token;
  }
  return all;
}

std::optional<rules::Said> said_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) {
    return std::nullopt;
  }
  return rules::Said{found->value("by", ""), found->value("reason", ""),
                     instant_of(*found, "at").value_or(rules::Instant{}),
                     found->value("token", "")};
}

json names_json(const std::vector<rules::Reason>& reasons) {
  json names = json::array();
  for (const rules::Reason reason : reasons) {
    names.push_back(rules::name_of(reason));
  }
  return names;
}

// What is not there says nothing: a row stays short, and people can ask for what is.
struct Metadata {
  json object{{"written_by", "rollbackd"}};

  void add(const char* key, const std::optional<rules::Instant>& moment) {
    if (moment) {
      object[key] = instant_text(*moment);
    }
  }
  void add(const char* key, const std::optional<rules::Said>& said) {
    if (said) {
      object[key] = said_json(*said);
    }
  }
  void add(const char* key, const std::string& text) {
    if (!text.empty()) {
      object[key] = text;
    }
  }
  void add(const char* key, const std::vector<rules::Reason>& reasons) {
    if (!reasons.empty()) {
      object[key] = names_json(reasons);
    }
  }
};

void read_metadata(const json& about, rules::Rollback& rollback) {
  rollback.asked = about.value("mode", "") == rules::name_of(rules::Mode::ask);
  rollback.expires_at = instant_of(about, "expires_at");
  rollback.approved = said_of(about, "approved");
  rollback.aborted = said_of(about, "aborted");
  rollback.overrides = reasons_of(about.value("overrides", json::array()));
  rollback.revert_migrations = about.value("revert_migrations", false);
  rollback.claimed_at = instant_of(about, "claimed_at");
  rollback.claims = whole_in<int>(about, "claims");
  rollback.refused_since = instant_of(about, "refused_since");
  rollback.not_before = instant_of(about, "not_before");
  rollback.run = about.value("run", "");
  rollback.run_url = about.value("run_url", "");
  rollback.followed_until = instant_of(about, "followed_until");
  rollback.late_outcome = about.value("late_outcome", "");
  rollback.serving_from = instant_of(about, "serving_from");
  rollback.initiated_by = about.value("initiated_by", "");
  rollback.token = about.value("token", "");
  rollback.ended_by = rules::reason_named(about.value("ended_by", ""));
}

void read_plan(const json& plan, rules::Rollback& rollback) {
  rollback.executor = plan.value("executor", "");
  rollback.version = plan.value("version", "");
  rollback.git_commit = plan.value("git_commit", "");
  rollback.target = target_of(plan.at("target"));
  rollback.replacement = id_of<rules::DeploymentId>(plan, "replacement_id");
  rollback.evidence = evidence_of(plan.at("evidence"));
  rollback.old_status = rules::deployment_status_named(plan.value("old_status", ""))
                            .value_or(rules::DeploymentStatus::success);
  rollback.old_health_check_passed = plan.value("old_health_check_passed", false);
}

void read_steps(const json& steps, rules::Rollback& rollback) {
  if (steps.size() != rules::step_count) {
    throw std::runtime_error{"rollback_steps has " + std::to_string(steps.size()) +
                             " steps, not 8"};
  }
  for (std::size_t i = 0; i < rules::step_count; ++i) {
    rules::Step& step = rollback.steps[i];
    const auto status = rules::step_status_named(steps[i].value("status", ""));
    if (!status) {
      throw std::runtime_error{"step " + std::to_string(i + 1) + " has an unknown status"};
    }
    step.status = *status;
    step.started_at = instant_of(steps[i], "started_at");
    step.completed_at = instant_of(steps[i], "completed_at");
    step.error = steps[i].at("error").is_string() ? steps[i].at("error").get<std::string>() : "";
    step.metadata = fields_of(steps[i].value("metadata", json::object()));
  }
}

void read_validation(const json& validation, rules::Rollback& rollback) {
  for (const json& check : validation.value("checks", json::array())) {
    const auto name = rules::reason_named(check.value("name", ""));
    const auto outcome = rules::outcome_named(check.value("outcome", ""));
    if (name && outcome) {
      rollback.validation.checks.push_back({*name, *outcome, value_of(check.at("measured")),
                                            value_of(check.at("limit")), check.value("text", "")});
    }
  }
}

}  // namespace

json json_of(const rules::Fields& fields) {
  json object = json::object();
  for (const rules::Field& field : fields) {
    object[field.key] = json_of(field.value);
  }
  return object;
}

std::vector<rules::Reason> reasons_of(const json& names) {
  std::vector<rules::Reason> reasons;
  for (const json& name : names) {
    if (const auto reason = rules::reason_named(name.is_string() ? name.get<std::string>() : "")) {
      reasons.push_back(*reason);
    }
  }
  return reasons;
}

json target_json(const std::optional<rules::Target>& target) {
  if (!target) {
    return nullptr;
  }
  return {{"deployment_id", target->id.text()},
          {"version", target->version},
          {"git_commit", target->git_commit},
          {"deployed_at", json_of(target->deployed_at)},
          {"health_check_passed", target->health_check_passed}};
}

json plan_json(const rules::Rollback& rollback) {
  return {{"executor", rollback.executor},
          {"version", rollback.version},
          {"git_commit", rollback.git_commit},
          {"target", target_json(rollback.target)},
          {"replacement_id", rollback.replacement.text()},
          {"evidence", evidence_json(rollback.evidence)},
          {"old_status", rules::name_of(rollback.old_status)},
          {"old_health_check_passed", rollback.old_health_check_passed}};
}

json steps_json(const rules::Rollback& rollback) {
  json steps = json::array();
  for (std::size_t i = 0; i < rules::step_count; ++i) {
    const rules::Step& step = rollback.steps[i];
    steps.push_back({{"name", rules::name_of(static_cast<rules::StepName>(i))},
                     {"status", rules::name_of(step.status)},
                     {"started_at", json_of(step.started_at)},
                     {"completed_at", json_of(step.completed_at)},
                     {"error", step.error.empty() ? json(nullptr) : json(step.error)},
                     {"metadata", json_of(step.metadata)}});
  }
  return steps;
}

json validation_json(const rules::Validation& validation) {
  json all = verdict_json(validation);
  json& checks = all["checks"] = json::array();
  for (const rules::Check& check : validation.checks) {
    checks.push_back({{"name", rules::name_of(check.name)},
                      {"outcome", rules::name_of(check.outcome)},
                      {"measured", json_of(check.measured)},
                      {"limit", json_of(check.limit)},
                      {"text", check.text}});
  }
  return all;
}

json metadata_json(const rules::Rollback& rollback) {
  Metadata about;
  if (rollback.asked) {
    about.add("mode", std::string{rules::name_of(rules::Mode::ask)});
  }
  about.add("expires_at", rollback.expires_at);
  about.add("approved", rollback.approved);
  about.add("aborted", rollback.aborted);
  about.add("overrides", rollback.overrides);
  if (rollback.revert_migrations) {
    about.object["revert_migrations"] = true;
  }
  about.add("claimed_at", rollback.claimed_at);
  if (rollback.claims != 0) {
    about.object["claims"] = rollback.claims;
  }
  about.add("refused_since", rollback.refused_since);
  about.add("not_before", rollback.not_before);
  about.add("run", rollback.run);
  about.add("run_url", rollback.run_url);
  about.add("followed_until", rollback.followed_until);
  about.add("late_outcome", rollback.late_outcome);
  about.add("serving_from", rollback.serving_from);
  about.add("initiated_by", rollback.initiated_by);
  about.add("token", rollback.token);
  if (rollback.ended_by) {
    about.add("ended_by", std::string{rules::name_of(*rollback.ended_by)});
  }
  about.add("reasons", rollback.validation.violated());
  return about.object;
}

json alert_json(const rules::Alert& alert) {
  const rules::Rollback& r = alert.rollback;
  std::string error;
  for (const rules::Step& step : r.steps) {
    if (!step.error.empty() && step.status != rules::StepStatus::success) {
      error = step.error;
    }
  }
  return {
      {"kind", rules::name_of(alert.kind)},
      {"event_id", r.id.text()},
      {"deployment_id", r.deployment.text()},
      {"version", r.version},
      {"git_commit", r.git_commit},
      {"environment", r.service.environment},
      {"service", r.service.name},
      {"trigger_type", rules::name_of(r.type)},
      {"reason", r.reason},
      {"text", alert.text.empty() ? json(nullptr) : json(alert.text)},
      {"expires_at", json_of(r.expires_at)},
      {"run_url", r.run_url.empty() ? json(nullptr) : json(r.run_url)},
      {"target", target_json(r.target)},
      {"replacement_id", r.replacement.text()},
      {"validation", verdict_json(r.validation)},
      {"ended_by", r.ended_by ? json(rules::name_of(*r.ended_by)) : json(nullptr)},
      {"error", error.empty() ? json(nullptr) : json(error)},
      {"evidence", evidence_json(r.evidence)},
      {"decided_at", instant_text(r.decided_at)},
      {"completed_at", json_of(r.completed_at)},
      {"duration_seconds",
       r.completed_at ? json(rules::in_seconds(*r.completed_at - r.decided_at)) : json(nullptr)}};
}

Status read_rollback_json(const std::string& plan, const std::string& steps,
                          const std::string& validation, const std::string& metadata,
                          rules::Rollback& rollback) {
  try {
    read_plan(foreign_json(plan), rollback);
    read_steps(foreign_json(steps), rollback);
    read_validation(foreign_json(validation), rollback);
    read_metadata(foreign_json(metadata), rollback);
  } catch (const std::exception& e) {
    return Error{
        "rollback " + rollback.id.text() + " cannot be read from ops.rollback_events: " + e.what(),
        "end it by hand: set its status to 'failed' and deploy what should serve"};
  }
  return Done{};
}

}  // namespace rollbackd::engine
