#include "engine/http/api.hpp"

#include <algorithm>
#include <string_view>

#include "engine/http/body.hpp"
#include "engine/http/json.hpp"
#include "rules/time.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::string_view api_prefix = "/auto-rollback";
constexpr std::string_view supabase_prefix = "/functions/v1/auto-rollback";

// Older windows are not passed off as the present.
constexpr rules::Second as_of_age_max = 30;

// Both spellings of the API's paths as one; other paths as they are.
std::string_view canonical(std::string_view path) {
  return path.starts_with(supabase_prefix) ? path.substr(supabase_prefix.size() - api_prefix.size())
                                           : path;
}

bool is_api(std::string_view path) {
  return path == api_prefix || (path.starts_with(api_prefix) && path[api_prefix.size()] == '/');
}

// Browsers ask for these; supabase-js sends x-region where a region is chosen.
void allow_browsers(ApiResponse& response) {
  response.headers.insert(
      response.headers.end(),
      {{"Access-Control-Allow-Origin", "*"},
       {"Access-Control-Allow-Headers",
        "authorization, x-client-info, apikey, content-type, x-region"},
       {"Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"},
       {"Access-Control-Expose-Headers", "x-request-id, retry-after"}});
}

ApiResponse come_back(std::string_view error, std::string_view details) {
  ApiResponse response = refusal(503, error, details);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace

const std::vector<Api::Route>& Api::routes() {
  static const std::vector<Route> all{{"GET", "/metrics", &Api::metrics},
                                      {"GET", "/healthz", &Api::health},
                                      {"GET", "/readyz", &Api::readiness},
                                      {"POST", "/auto-rollback/check", &Api::check}};
  return all;
}

ApiResponse Api::answer(const ApiRequest& request) const {
  const std::string_view path = canonical(request.path);
  if (!is_api(path)) {
    return route(request, path);
  }
  ApiResponse response;
  if (request.method == "OPTIONS") {
    response.content_type = plain_text_type;
    response.body = "ok";
  } else {
    response = route(request, path);
  }
  allow_browsers(response);
  return response;
}

ApiResponse Api::route(const ApiRequest& request, std::string_view path) const {
  std::string allowed;
  for (const Route& known : routes()) {
    if (known.path != path) {
      continue;
    }
    // The server leaves the body of an answer to HEAD out.
    if (request.method == known.method || (request.method == "HEAD" && known.method == "GET")) {
      return (this->*known.handler)(request);
    }
    allowed = std::string{known.method} + (known.method == "GET" ? ", HEAD" : ", OPTIONS");
  }
  if (allowed.empty()) {
    std::string paths;
    for (const Route& known : routes()) {
      paths +=
          (paths.empty() ? "" : ", ") + std::string{known.method} + " " + std::string{known.path};
    }
    return refusal(404, "Unknown endpoint", "There are: " + paths + ".");
  }
  ApiResponse response =
      refusal(405, "Method not allowed", "This path answers to " + allowed + ".");
  response.headers.emplace_back("Allow", allowed);
  return response;
}

ApiResponse Api::metrics(const ApiRequest& /*request*/) const {
  ApiResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = sources_.metrics();
  return response;
}

ApiResponse Api::health(const ApiRequest& /*request*/) const {
  ApiResponse response;
  response.body = R"({"status":"ok"})";
  return response;
}

ApiResponse Api::readiness(const ApiRequest& /*request*/) const {
  const Readiness readiness = sources_.readiness();
  ApiResponse response;
  response.status = readiness.ready ? 200 : 503;
  response.body = readiness_json(readiness);
  return response;
}

ApiResponse Api::check(const ApiRequest& request) const {
  if (auto refused = tokens_.refuse(request, Scope::read)) {
    return std::move(*refused);
  }
  auto deployment = deployment_in(request.body);
  if (auto* refused = std::get_if<ApiResponse>(&deployment)) {
    return std::move(*refused);
  }
  const View& view = sources_.view;
  if (!view.has_windows()) {
    return come_back("Not ready", "The windows are being built for the first time; ask again.");
  }
  if (rules::second_of(sources_.clock.now()) - view.as_of() > as_of_age_max) {
    return come_back("Out of date",
                     "The windows are more than 30 seconds old, because the database cannot be "
                     "read; /readyz says why.");
  }
  const auto found = view.check(std::get<rules::DeploymentId>(deployment));
  ApiResponse response;
  if (!found) {
    // Exactly the original's body: its clients compare it.
    response.status = 404;
    response.body = R"({"error":"Deployment not found"})";
    return response;
  }
  response.body = check_json(*found);
  return response;
}

}  // namespace rollbackd::engine
