#pragma once

#include <memory>
#include <string_view>

#include <simdjson.h>

#include "engine/result.hpp"

namespace rollbackd::engine {

// A whole JSON text from outside, valid from its first byte to its last before anything of it is
// looked at. Elements of root() are good as long as it lives, wherever it is moved to.
class JsonDocument {
 public:
  // The error says what is wrong with the text and shows nothing of it.
  static Result<JsonDocument> parse(std::string_view text);

  [[nodiscard]] const simdjson::dom::element& root() const { return root_; }

 private:
  JsonDocument() = default;

  std::unique_ptr<simdjson::dom::parser> parser_ = std::make_unique<simdjson::dom::parser>();
  simdjson::dom::element root_;
};

}  // namespace rollbackd::engine
