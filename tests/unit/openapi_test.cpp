// The document at /openapi.json, held against the router. That what goes over the wire is as the
// document says is shown by tests/openapi.

#include <set>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/http/api.hpp"
#include "engine/http/embedded_pages.hpp"
#include "engine/version.hpp"
#include "rules/reason.hpp"
#include "tests/support/api_kit.hpp"
#include "tests/support/fixed_clock.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

struct Described {
  tests::EmptyView view;
  tests::FixedClock clock;
  tests::HandDesk desk;
  tests::FixedArchive archive;
  asio::io_context reactor;
  Api api{
      {view, clock, desk, archive, reactor.get_executor(), [](Exposition) { return std::string{}; },
       [] { return Readiness{}; }, [] { return std::nullopt; }},
      {}};
  json document = json::parse(embedded_page("openapi.json"));

  // The operation of the document for this route; null: there is none.
  [[nodiscard]] json operation(const Route& route) const {
    std::string method{route.method};
    for (char& c : method) {
      c = static_cast<char>(c - 'A' + 'a');
    }
    return document["paths"].value(std::string{route.path}, json::object()).value(method, json{});
  }
  // What a "$ref" names, else the thing itself.
  [[nodiscard]] json resolved(const json& thing) const {
    return thing.contains("$ref")
               ? document.at(json::json_pointer{thing["$ref"].get<std::string>().substr(1)})
               : thing;
  }
  [[nodiscard]] bool takes_a_key(const json& operation) const {
    for (const json& parameter : operation.value("parameters", json::array())) {
      if (resolved(parameter).value("name", "") == "Idempotency-Key") {
        return true;
      }
    }
    return false;
  }
};

std::set<std::string> statuses(const json& operation) {
  std::set<std::string> all;
  for (const auto& [status, response] : operation["responses"].items()) {
    all.insert(status);
  }
  return all;
}

void each_reference(const json& node, const std::function<void(const std::string&)>& visit) {
  if (node.is_object() && node.contains("$ref")) {
    visit(node["$ref"].get<std::string>());
  }
  if (node.is_structured()) {
    for (const json& child : node) {
      each_reference(child, visit);
    }
  }
}

}  // namespace

TEST_CASE(
    "openapi: every route is in the document with its scope, and what it can be refused for") {
  const Described d;
  for (const Route& route : d.api.routes()) {
    CAPTURE(route.method);
    CAPTURE(route.path);
    const json operation = d.operation(route);
    REQUIRE(operation.is_object());
    CHECK(operation.contains("operationId"));
    CHECK(operation.contains("summary"));
    const auto known = statuses(operation);
    CHECK(known.contains("default"));
    if (route.scope) {
      const json needs = json::array({name_of(*route.scope)});
      CHECK(operation["security"] == json::array({{{"bearer", needs}}, {{"apikey", needs}}}));
      CHECK(known.contains("401"));
      CHECK(known.contains("403"));
      CHECK(known.contains("429"));
      CHECK(known.contains("503"));
    } else {
      CHECK(operation["security"] == json::array());
    }
    if (route.acts && route.scope) {
      CHECK(d.takes_a_key(operation));
      CHECK(known.contains("409"));
      CHECK(known.contains("422"));
    }
  }
}

TEST_CASE("openapi: every operation of the document is a route") {
  const Described d;
  std::set<std::string> routes;
  for (const Route& route : d.api.routes()) {
    routes.insert(std::string{route.method} + " " + std::string{route.path});
  }
  std::set<std::string> ids;
  for (const auto& [path, item] : d.document["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method == "servers" || method == "parameters") {
        continue;
      }
      std::string name = method + " " + path;
      for (char& c : name) {
        if (c == ' ') {
          break;
        }
        c = static_cast<char>(c - 'a' + 'A');
      }
      CAPTURE(name);
      CHECK(routes.contains(name));
      CHECK(ids.insert(operation["operationId"].get<std::string>()).second);
    }
    // Both spellings of the API's paths.
    CHECK(item.contains("servers") == path.starts_with("/auto-rollback"));
  }
}

TEST_CASE(
    "openapi: the document is of this version, knows all reasons, and refers to what is there") {
  const Described d;
  CHECK(d.document["openapi"] == "3.1.0");
  CHECK(d.document["info"]["version"] == version());
  json reasons = json::array();
  for (const rules::Reason reason : rules::all_reasons()) {
    reasons.push_back(rules::name_of(reason));
  }
  CHECK(d.document["components"]["schemas"]["Reason"]["enum"] == reasons);
  std::set<std::string> used;
  each_reference(d.document, [&](const std::string& reference) {
    CAPTURE(reference);
    CHECK(d.document.contains(json::json_pointer{reference.substr(1)}));
    used.insert(reference);
  });
  for (const char* kind : {"schemas", "responses", "parameters", "headers"}) {
    for (const auto& [name, value] : d.document["components"][kind].items()) {
      CAPTURE(name);
      CHECK(used.contains("#/components/" + std::string{kind} + "/" + name));
    }
  }
}

TEST_CASE(
    "openapi: it is served without a token, to pages of other origins too, and every 404 names "
    "it") {
  const Described d;
  ApiRequest request;
  request.method = "GET";
  request.path = "/openapi.json";
  std::optional<ApiResponse> answer;
  d.api.answer(request, [&](ApiResponse response) { answer = std::move(response); });
  REQUIRE(answer);
  CHECK(answer->status == 200);
  CHECK(answer->content_type == "application/json");
  CHECK(answer->body == embedded_page("openapi.json"));
  CHECK(answer->headers.at(0).first == "Access-Control-Allow-Origin");
  for (const char* path :
       {"/nonsense", "/auto-rollback/nonsense", "/functions/v1/auto-rollback/x"}) {
    request.path = path;
    d.api.answer(request, [&](ApiResponse response) { answer = std::move(response); });
    CHECK(answer->status == 404);
    CHECK(answer->body.starts_with(R"({"error":"Unknown endpoint","details":"GET /openapi.json )"));
  }
}

}  // namespace rollbackd::engine
