#include "engine/http/json.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "engine/foreign_json.hpp"
#include "engine/rollback_json.hpp"
#include "engine/time_text.hpp"
#include "rules/invariant.hpp"
#include "rules/limits.hpp"
#include "rules/trigger_limit.hpp"

namespace rollbackd::engine {
namespace {

using Json = nlohmann::ordered_json;

// At most two decimals, and 8 instead of 8.0.
Json number(double value) {
  constexpr double whole_max = 9e15;  // up to here a double holds every whole number
  const double rounded = std::round(value * 100) / 100;
  if (std::abs(rounded) <= whole_max && std::trunc(rounded) == rounded) {
    return static_cast<std::int64_t>(rounded);
  }
  return rounded;
}

Json number(const std::optional<double>& value) { return value ? number(*value) : Json(nullptr); }

// Texts from the database may be anything; an answer is valid JSON all the same.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

ApiResponse refusal(int status, std::string_view error, std::string_view details) {
  ApiResponse response;
  response.status = status;
  response.body = dump(Json{{"error", error}, {"details", details}});
  return response;
}

std::string check_json(const rules::CheckView& view) {
  return dump(Json{{"should_rollback", view.should_rollback},
                   {"reason", view.reason},
                   {"connection_utilisation", number(view.connection_utilisation)},
                   {"state", name_of(view.state)},
                   {"health",
                    {{"healthy", view.healthy},
                     {"error_rate_per_minute", number(view.error_rate_per_minute)},
                     {"recent_errors", view.recent_errors},
                     {"database_connections", view.database_connections},
                     {"active_queries", view.active_queries},
                     {"timestamp", second_text(view.as_of)}}}});
}

std::string readiness_json(const Readiness& readiness) {
  Json problems = Json::object();
  for (const auto& [part, text] : readiness.problems) {
    problems[part] = text;
  }
  return dump(Json{{"ready", readiness.ready},
                   {"role", readiness.role},
                   {"leader", readiness.leader},
                   {"feed", readiness.feed},
                   {"problems", std::move(problems)},
                   {"warnings", readiness.warnings}});
}

namespace {

Json target_of(const rules::Rollback& rollback) { return target_json(rollback.target); }

std::string snapshot_of(const rules::Rollback& rollback) {
  for (const rules::Field& field :
       rollback.step(rules::StepName::create_pre_rollback_snapshot).metadata) {
    if (field.key == "snapshot_id") {
      return rules::value_text(field.value);
    }
  }
  return {};
}

std::string last_error(const rules::Rollback& rollback) {
  std::string error;
  for (const rules::Step& step : rollback.steps) {
    error = step.error.empty() || step.status == rules::StepStatus::success ? error : step.error;
  }
  return error;
}

std::string ending(const rules::Rollback& rollback) {
  const std::string reason =
      rollback.ended_by ? std::string{rules::name_of(*rollback.ended_by)} : std::string{"failed"};
  const std::string error = last_error(rollback);
  return error.empty() ? reason : reason + ": " + error;
}

Json with_rollback(Json body, const rules::Rollback& rollback) {
  body["event_id"] = rollback.id.text();
  body["status"] = rules::name_of(rollback.status);
  return body;
}

ApiResponse answer_of(const Json& body, int status) { return json_answer(dump(body), status); }

}  // namespace

std::string rollback_state_json(const rules::Rollback& rollback) {
  Json body = with_rollback(Json::object(), rollback);
  body["deployment_id"] = rollback.deployment.text();
  body["trigger_reason"] = rollback.reason;
  body["target_deployment"] = target_of(rollback);
  body["executor"] = rollback.executor;
  body["run_url"] = rollback.run_url.empty() ? Json(nullptr) : Json(rollback.run_url);
  body["rollback_steps"] = steps_json(rollback);
  body["initiated_at"] = instant_text(rollback.decided_at);
  body["completed_at"] =
      rollback.completed_at ? Json(instant_text(*rollback.completed_at)) : Json(nullptr);
  body["ended_by"] = rollback.ended_by ? Json(rules::name_of(*rollback.ended_by)) : Json(nullptr);
  return dump(body);
}

ApiResponse execution_answer(const rules::Rollback& rollback) {
  if (rollback.status == rules::RollbackStatus::failed) {
    return answer_of(with_rollback({{"success", false},
                                    {"error", "Rollback execution failed"},
                                    {"details", ending(rollback)}},
                                   rollback),
                     500);
  }
  if (rollback.status == rules::RollbackStatus::aborted) {
    return answer_of(
        with_rollback({{"success", false},
                       {"error", "Rollback aborted"},
                       {"details", ending(rollback)},
                       {"reason", rollback.ended_by ? Json(rules::name_of(*rollback.ended_by))
                                                    : Json(nullptr)}},
                      rollback),
        409);
  }
  const std::string snapshot = snapshot_of(rollback);
  return answer_of({{"success", true},
                    {"event_id", rollback.id.text()},
                    {"target_deployment", target_of(rollback)},
                    {"snapshot_id", snapshot.empty() ? Json(nullptr) : Json(snapshot)},
                    {"validation", validation_json(rollback.validation)},
                    {"status", rules::name_of(rollback.status)}},
                   200);
}

namespace {

ApiResponse refusal_of(const rules::Answer& answer) {
  using Kind = rules::Answer::Kind;
  const Json validation =
      answer.rollback ? Json(validation_json(answer.rollback->validation)) : Json(nullptr);
  switch (answer.kind) {
    case Kind::accepted:
      return answer.rollback ? execution_answer(*answer.rollback) : json_answer("{}");
    case Kind::dry_run: {
      Json body{{"success", true}, {"dry_run", true}, {"validation", validation}};
      body["target_deployment"] = answer.rollback ? target_of(*answer.rollback) : Json(nullptr);
      return answer_of(body, 200);
    }
    case Kind::rejected:
      return answer_of({{"success", false},
                        {"error", "Constitutional validation failed"},
                        {"validation", validation}},
                       403);
    case Kind::no_target:
      return answer_of({{"success", false},
                        {"error", "No valid rollback target found"},
                        {"validation", validation}},
                       404);
    case Kind::under_way: {
      Json body{{"success", false}, {"error", "A rollback of this service is under way"}};
      return answer_of(answer.rollback ? with_rollback(std::move(body), *answer.rollback) : body,
                       409);
    }
    case Kind::paused: {
      Json body = Json::parse(pause_json(answer.pause));
      body["error"] = "Paused";
      body["details"] = "Rollbacks are paused; POST /auto-rollback/resume ends it.";
      return answer_of(body, 409);
    }
    case Kind::unknown_deployment:
      return unknown_deployment();
    case Kind::unknown_event:
      return refusal(404, "Rollback event not found",
                     "No rollback or proposal with this event_id is under way.");
    case Kind::not_waiting:
      return refusal(409, "Not a proposal",
                     "This rollback is under way; nobody has to approve it.");
    case Kind::dispatched:
      return refusal(409, "Already dispatched",
                     "The deploy was started; a newer deployment is what undoes it.");
    case Kind::no_breaker:
      return refusal(404, "No open breaker", "The breaker of this environment is not open.");
    case Kind::unavailable:
      return come_back("Not ready",
                       "What has to be known is being read from the database, or it is not certain "
                       "that the request was written there: ask again, with the same "
                       "Idempotency-Key if it had one. /readyz says what is wrong.");
  }
  UNREACHABLE("an answer without a response");
}

}  // namespace

// A rejection of what was to be done is written down; one of what was only asked is not.
ApiResponse refused_request(const rules::Answer& answer, bool is_dry_run) {
  using Kind = rules::Answer::Kind;
  ApiResponse response = refusal_of(answer);
  response.done = !is_dry_run && (answer.kind == Kind::rejected || answer.kind == Kind::no_target ||
                                  answer.kind == Kind::under_way);
  return response;
}

ApiResponse event_answer(const std::string& row) {
  const auto event = foreign_json<Json>(row);
  const auto text = [&event](const char* key) { return text_in(event, key); };
  const auto json = [&event](const char* key) {
    return event.is_object() ? dump(event.value(key, Json(nullptr))) : "null";
  };
  rules::Rollback rollback;
  rollback.id = rules::EventId::parse(text("event_id")).value_or(rollback.id);
  rollback.status = rules::rollback_status_named(text("status")).value_or(rollback.status);
  const Status read =
      read_rollback_json(json("rollback_plan"), json("rollback_steps"),
                         json("constitutional_validation"), json("metadata"), rollback);
  if (!read) {
    return refusal(409, "Carried out before", read.error().what);
  }
  if (text("trigger_type") != rules::name_of(rules::TriggerType::constitutional_violation)) {
    return execution_answer(rollback);
  }
  const auto violated = rollback.validation.violated();
  const bool has_target =
      std::find(violated.begin(), violated.end(), rules::Reason::no_target) == violated.end();
  using Kind = rules::Answer::Kind;
  return refused_request({0, has_target ? Kind::rejected : Kind::no_target, rollback, {}});
}

ApiResponse unknown_deployment() { return json_answer(R"({"error":"Deployment not found"})", 404); }

std::string pause_json(const rules::Pause& pause) {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
  };
  return dump(Json{{"paused", pause.on},
                   {"paused_by", text_or_null(pause.by)},
                   {"reason", text_or_null(pause.reason)},
                   {"since", pause.since ? Json(instant_text(*pause.since)) : Json(nullptr)}});
}

std::string breaker_json(const std::string& environment, bool open) {
  return dump(Json{{"breaker", environment}, {"open", open}});
}

std::string deployments_json(const std::string& rows, const View& view, const Readiness& readiness,
                             const rules::PolicyBook* policies) {
  auto all = foreign_json<Json>(rows);
  std::set<rules::DeploymentId> current;
  for (const rules::ServiceView& service : view.services()) {
    current.insert(service.deployment);
  }
  for (Json& row : all) {
    const auto id = rules::DeploymentId::parse(text_in(row, "deployment_id"));
    const auto seen = id ? view.check(*id) : std::nullopt;
    row["current"] = id && current.contains(*id);
    if (seen) {
      row["state"] = name_of(seen->state);
      row["error_rate_per_minute"] = number(seen->error_rate_per_minute);
      row["recent_errors"] = seen->recent_errors;
      row["reason"] = seen->reason;
    }
    if (policies != nullptr) {
      const rules::Service service{text_in(row, "environment"), text_in(row, "service")};
      const rules::TriggerTable& table = policies->of(service).triggers;
      row["error_rate_above"] = number(rules::rollback_limit(
          table, rules::Signal::errors_per_minute, rules::limits::rate_window));
      row["recent_errors_above"] = number(
          rules::rollback_limit(table, rules::Signal::errors, rules::limits::healthy_window));
    }
  }
  const rules::ControlRead control = view.control().value_or(rules::ControlRead{});
  Json breakers = Json::array();
  for (const rules::Breaker& breaker : control.breakers) {
    breakers.push_back({{"environment", breaker.environment},
                        {"reason", breaker.reason},
                        {"opened_at", instant_text(breaker.opened_at)}});
  }
  return dump({{"deployments", std::move(all)},
               {"role", readiness.role},
               {"leader", readiness.leader},
               {"pause", Json::parse(pause_json(control.pause))},
               {"breakers", std::move(breakers)}});
}

ApiResponse changed_deployment(const std::string& row, const std::string& status) {
  auto deployment = foreign_json<Json>(row);
  INVARIANT(deployment.is_object());
  const Json event = deployment.value("event_id", Json(nullptr));
  if (const std::string kept = text_in(deployment, "status"); kept != status) {
    return answer_of(
        {{"error", "A rollback keeps the status"},
         {"details", "The deployment is, or was, rolled back: its status stays " + kept + "."},
         {"event_id", event}},
        409);
  }
  deployment.erase("event_id");
  return done(answer_of(deployment, 200));
}

std::string event_json(const std::string& row, const View& view) {
  auto event = foreign_json<Json>(row);
  if (!event.is_object()) {
    return row;
  }
  std::string ended_by = text_in(event.value("metadata", Json::object()), "ended_by");
  if (ended_by.empty() && !is_over(row)) {
    const std::string bad = text_in(event, "deployment_id");
    const std::string replacement =
        text_in(event.value("rollback_plan", Json::object()), "replacement_id");
    const rules::Service service{text_in(event, "environment"), text_in(event, "service")};
    for (const rules::ServiceView& seen : view.services()) {
      const std::string current = seen.deployment.text();
      if (seen.service == service && current != bad && current != replacement) {
        ended_by = rules::name_of(rules::Reason::superseded);
      }
    }
  }
  event["ended_by"] = ended_by.empty() ? Json(nullptr) : Json(ended_by);
  return dump(event);
}

bool is_over(const std::string& event_row) {
  const std::string status = text_in(foreign_json(event_row), "status");
  return status != "pending" && status != "in_progress";
}

}  // namespace rollbackd::engine
