#include "engine/http/body.hpp"

#include <utility>

#include "engine/json_document.hpp"

namespace rollbackd::engine {
namespace {

ApiResponse malformed(std::string_view details) { return refusal(400, "Malformed JSON", details); }

}  // namespace

struct JsonBody::Document {
  std::optional<JsonDocument> whole;
  std::optional<simdjson::dom::object> object;  // nothing: the body is something else

  // How often the key is there, and its last value.
  int find(std::string_view key, simdjson::dom::element& value) const {
    int times = 0;
    if (!object) {
      return times;
    }
    for (const auto field : *object) {
      if (field.key == key) {
        value = field.value;
        ++times;
      }
    }
    return times;
  }
};

JsonBody::JsonBody(std::string_view body) : document_{std::make_unique<Document>()} {
  auto parsed = JsonDocument::parse(body);
  if (!parsed) {
    refusal_ = malformed(body.empty() ? "The body is empty; expected a JSON object."
                                      : parsed.error().what);
    return;
  }
  document_->whole = std::move(*parsed);
  simdjson::dom::object object;
  if (document_->whole->root().get(object) == simdjson::SUCCESS) {
    document_->object = object;
  }
}

JsonBody::~JsonBody() = default;

void JsonBody::object(std::string_view key, std::string_view expected) {
  if (!refusal_) {
    refusal_ = refusal(400, "Invalid " + std::string{key},
                       std::string{key} + " has to be " + std::string{expected} + ".");
  }
}

std::optional<std::string> JsonBody::text(std::string_view key) {
  simdjson::dom::element value;
  const int times = is_good() ? document_->find(key, value) : 0;
  if (times > 1) {
    refusal_ = malformed(std::string{key} + " is there more than once.");
    return std::nullopt;
  }
  if (times == 0 || value.is_null()) {
    return std::nullopt;
  }
  std::string_view found;
  if (value.get(found) != simdjson::SUCCESS) {
    object(key, "a text");
    return std::nullopt;
  }
  if (found.find('\0') != std::string_view::npos) {
    object(key, "a text without \\u0000");
    return std::nullopt;
  }
  return found.empty() ? std::nullopt : std::optional<std::string>{found};
}

std::string JsonBody::person() {
  const std::string named = text("initiated_by").value_or("");
  if (!named.empty() && !rules::EventId::parse(named)) {
    object("initiated_by", "a uuid, or left out");
  }
  return named;
}

bool JsonBody::flag(std::string_view key) {
  simdjson::dom::element value;
  const int times = is_good() ? document_->find(key, value) : 0;
  if (times == 0 || value.is_null()) {
    return false;
  }
  bool found = false;
  if (times > 1 || value.get(found) != simdjson::SUCCESS) {
    object(key, "true or false, once");
  }
  return found;
}

std::vector<std::string> JsonBody::texts(std::string_view key) {
  simdjson::dom::element value;
  std::vector<std::string> all;
  const int times = is_good() ? document_->find(key, value) : 0;
  if (times == 0 || value.is_null()) {
    return all;
  }
  simdjson::dom::array list;
  if (times > 1 || value.get(list) != simdjson::SUCCESS) {
    object(key, "a list of texts, once");
    return all;
  }
  for (const simdjson::dom::element entry : list) {
    std::string_view text;
    if (entry.get(text) != simdjson::SUCCESS) {
      object(key, "a list of texts");
      return {};
    }
    all.emplace_back(text);
  }
  return all;
}

}  // namespace rollbackd::engine
