#include "engine/http/body.hpp"

#include "engine/json_document.hpp"

namespace rollbackd::engine {
namespace {

// Exactly the original's body: its clients compare it.
ApiResponse missing_deployment() {
  ApiResponse response;
  response.status = 400;
  response.body = R"({"error":"Missing deployment_id"})";
  return response;
}

ApiResponse malformed(std::string_view details) { return refusal(400, "Malformed JSON", details); }

}  // namespace

std::variant<rules::DeploymentId, ApiResponse> deployment_in(std::string_view body) {
  const auto document = JsonDocument::parse(body);
  if (!document) {
    return malformed(body.empty() ? "The body is empty; expected {\"deployment_id\": \"…\"}."
                                  : document.error().what);
  }
  simdjson::dom::object object;
  if (document->root().get(object) != simdjson::SUCCESS) {
    return missing_deployment();
  }
  simdjson::dom::element given;
  int times = 0;
  for (const auto field : object) {
    if (field.key == "deployment_id") {
      given = field.value;
      ++times;
    }
  }
  if (times > 1) {
    return malformed("deployment_id is there more than once.");
  }
  std::string_view text;
  if (times == 0 || given.is_null() || (given.get(text) == simdjson::SUCCESS && text.empty())) {
    return missing_deployment();
  }
  const auto id = rules::DeploymentId::parse(text);
  if (!id) {
    return refusal(400, "Invalid deployment_id",
                   "deployment_id has to be a uuid such as 123e4567-e89b-12d3-a456-426614174000.");
  }
  return *id;
}

}  // namespace rollbackd::engine
