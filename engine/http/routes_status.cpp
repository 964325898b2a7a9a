#include <utility>

#include "engine/http/accept.hpp"
#include "engine/http/embedded_pages.hpp"
#include "engine/http/json.hpp"
#include "engine/http/routes.hpp"
#include "engine/http/status_page.hpp"

namespace rollbackd::engine {
namespace {

// Prometheus prefers OpenMetrics and says so; a browser, or curl, gets the text.
void metrics(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  const Exposition format = wanted_exposition(call.request.accept);
  ApiResponse response;
  response.content_type = format == Exposition::open_metrics
                              ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                              : "text/plain; version=0.0.4; charset=utf-8";
  response.headers.emplace_back("Vary", "Accept");
  response.body = sources.metrics(format);
  reply(std::move(response));
}

void health(const ApiSources& /*sources*/, const ApiCall& /*call*/, const ApiReply& reply) {
  reply(json_answer(R"({"status":"ok"})"));
}

void readiness(const ApiSources& sources, const ApiCall& /*call*/, const ApiReply& reply) {
  const Readiness readiness = sources.readiness();
  reply(json_answer(readiness_json(readiness), readiness.ready ? 200 : 503));
}

void page(const ApiSources& sources, const ApiCall& /*call*/, const ApiReply& reply) {
  ApiResponse response;
  response.content_type = "text/html; charset=utf-8";
  response.body = status_page(status_facts(sources));
  response.headers = {{"Content-Security-Policy", status_page_policy()},
                      {"Referrer-Policy", "no-referrer"}};
  reply(std::move(response));
}

// Readers of such documents are often pages of other origins.
void description(const ApiSources& /*sources*/, const ApiCall& /*call*/, const ApiReply& reply) {
  ApiResponse response = json_answer(std::string{embedded_page("openapi.json")});
  response.headers = {{"Access-Control-Allow-Origin", "*"}};
  reply(std::move(response));
}

}  // namespace

std::vector<Route> status_routes() {
  return {{"GET", "/", {}, false, page},
          {"GET", "/openapi.json", {}, false, description},
          {"GET", "/metrics", {}, false, metrics},
          {"GET", "/healthz", {}, false, health},
          {"GET", "/readyz", {}, false, readiness}};
}

}  // namespace rollbackd::engine
