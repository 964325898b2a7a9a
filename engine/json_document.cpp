#include "engine/json_document.hpp"

#include <string>
#include <utility>

namespace rollbackd::engine {

Result<JsonDocument> JsonDocument::parse(std::string_view text) {
  // What lies behind the text must be zeros, or it could complete a document that is cut off.
  std::string padded{text};
  padded.append(simdjson::SIMDJSON_PADDING, '\0');
  JsonDocument document;
  if (const auto error =
          document.parser_->parse(padded.data(), text.size(), false).get(document.root_)) {
    return Error{simdjson::error_message(error), {}};
  }
  return document;
}

}  // namespace rollbackd::engine
