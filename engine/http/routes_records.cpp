#include <charconv>
#include <utility>

#include "engine/http/body.hpp"
#include "engine/http/json.hpp"
#include "engine/http/routes.hpp"
#include "engine/http/target.hpp"

namespace rollbackd::engine {
namespace {

constexpr int limit_max = 1000;
constexpr std::size_t name_bytes_max = 500;

template <class Number>
std::optional<Number> number_in(const std::string& text) {
  Number number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc{} && read.ptr == text.data() + text.size() ? std::optional{number}
                                                                         : std::nullopt;
}

ApiResponse bad_parameter(std::string_view name, std::string_view expected) {
  return refusal(400, "Invalid " + std::string{name},
                 std::string{name} + " has to be " + std::string{expected} + ".");
}

// The number of rows, or the 400.
std::variant<int, ApiResponse> limit_in(const ApiRequest& request, int usual) {
  const auto given = parameter(request.query, "limit");
  if (!given) {
    return usual;
  }
  const auto limit = number_in<int>(*given);
  if (!limit || *limit < 1 || *limit > limit_max) {
    return bad_parameter("limit", "a whole number from 1 to " + std::to_string(limit_max));
  }
  return *limit;
}

std::string text_parameter(const ApiRequest& request, std::string_view name) {
  return parameter(request.query, name).value_or("");
}

void history(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  HistoryQuery query;
  auto limit = limit_in(call.request, query.limit);
  if (auto* refused = std::get_if<ApiResponse>(&limit)) {
    return reply(std::move(*refused));
  }
  query.limit = std::get<int>(limit);
  if (const auto before = parameter(call.request.query, "before")) {
    query.before = number_in<std::int64_t>(*before);
    if (!query.before) {
      return reply(bad_parameter("before", "the id of a row: older ones are listed"));
    }
  }
  if (const auto deployment = parameter(call.request.query, "deployment_id")) {
    query.deployment = rules::DeploymentId::parse(*deployment);
    if (!query.deployment) {
      return reply(bad_parameter("deployment_id", "a uuid"));
    }
  }
  query.environment = text_parameter(call.request, "environment");
  query.service = text_parameter(call.request, "service");
  query.status = text_parameter(call.request, "status");
  query.trigger_type = text_parameter(call.request, "trigger_type");
  sources.archive.history(query, [reply](const Result<std::optional<std::string>>& rows) {
    reply(rows ? json_answer("{\"rollbacks\":" + rows.value().value_or("[]") + "}")
               : unanswered(rows.error()));
  });
}

void deployments(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  DeploymentsQuery query;
  auto limit = limit_in(call.request, query.limit);
  if (auto* refused = std::get_if<ApiResponse>(&limit)) {
    return reply(std::move(*refused));
  }
  query.limit = std::get<int>(limit);
  query.environment = text_parameter(call.request, "environment");
  query.service = text_parameter(call.request, "service");
  query.status = text_parameter(call.request, "status");
  query.version = text_parameter(call.request, "version");
  if (const auto id = parameter(call.request.query, "deployment_id")) {
    const auto deployment = rules::DeploymentId::parse(*id);
    if (!deployment) {
      return reply(bad_parameter("deployment_id", "a uuid"));
    }
    query.only = {*deployment};
  } else if (text_parameter(call.request, "current") == "true") {
    query.only.emplace();
    for (const rules::ServiceView& service : sources.view.services()) {
      query.only->push_back(service.deployment);
    }
  }
  sources.archive.deployments(
      query, [&sources, reply](const Result<std::optional<std::string>>& rows) {
        reply(rows ? json_answer(deployments_json(rows.value().value_or("[]"), sources.view,
                                                  sources.readiness(), sources.policies))
                   : unanswered(rows.error()));
      });
}

// `usual`: what it is when it is left out; empty: it may not be.
std::string brief_text(JsonBody& body, std::string_view key, std::string_view usual = {}) {
  std::string text = body.text(key).value_or(std::string{usual});
  if (body.is_good() && (text.empty() || text.size() > name_bytes_max)) {
    body.object(key, "a text of 1 to " + std::to_string(name_bytes_max) + " bytes");
  }
  return text;
}

void record(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  JsonBody body{call.request.body};
  NewDeployment wanted;
  wanted.environment = brief_text(body, "environment");
  wanted.service = brief_text(body, "service", "app");
  wanted.version = brief_text(body, "version");
  wanted.git_commit = brief_text(body, "git_commit");
  wanted.git_branch = brief_text(body, "git_branch");
  wanted.recorded_by = call.token;
  wanted.initiated_by = body.person();
  wanted.sender = call.sender;
  const auto status = body.text("status").value_or("in_progress");
  const auto known = rules::deployment_status_named(status);
  if (!known || *known == rules::DeploymentStatus::failed ||
      *known == rules::DeploymentStatus::rolled_back) {
    body.object("status", "pending, in_progress or success");
  }
  if (!body.is_good()) {
    return reply(body.complaint());
  }
  wanted.status = *known;
  sources.archive.record(wanted, [reply](const Result<std::optional<std::string>>& row) {
    reply(row ? done(json_answer(row.value().value_or("{}"), 201)) : unanswered(row.error()));
  });
}

void change(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  JsonBody body{call.request.body};
  const auto deployment = rules::DeploymentId::parse(call.parameters.at(0));
  const std::string status = brief_text(body, "status");
  const auto known = rules::deployment_status_named(status);
  if (!known || *known == rules::DeploymentStatus::rolled_back) {
    body.object("status", "pending, in_progress, success or failed");
  }
  const std::string person = body.person();
  if (!body.is_good()) {
    return reply(body.complaint());
  }
  if (!deployment) {
    return reply(refusal(400, "Invalid deployment_id",
                         "The last part of the path has to be the uuid of a deployment."));
  }
  sources.archive.change_status({*deployment, *known, person, call.sender},
                                [reply, status](const Result<std::optional<std::string>>& row) {
                                  if (!row) {
                                    reply(unanswered(row.error()));
                                  } else if (!row.value()) {
                                    reply(unknown_deployment());
                                  } else {
                                    reply(changed_deployment(*row.value(), status));
                                  }
                                });
}

}  // namespace

std::vector<Route> record_routes() {
  return {{"GET", "/auto-rollback/history", Scope::read, false, history},
          {"GET", "/auto-rollback/deployments", Scope::read, false, deployments},
          {"POST", "/auto-rollback/deployments", Scope::record, true, record},
          {"PATCH", "/auto-rollback/deployments/{deployment_id}", Scope::record, true, change}};
}

}  // namespace rollbackd::engine
