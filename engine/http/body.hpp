#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/http/message.hpp"
#include "rules/ids.hpp"

namespace rollbackd::engine {

// The object in a request's body, read as JSON whatever its content type says: clients of the
// original send any. Something
// else than an object is one without keys. Looks at what is asked for; the first thing that is
// wrong makes the 400.
class JsonBody {
 public:
  explicit JsonBody(std::string_view body);
  ~JsonBody();
  JsonBody(const JsonBody&) = delete;
  JsonBody& operator=(const JsonBody&) = delete;

  // Nothing was wrong with what has been looked at so far.
  [[nodiscard]] bool is_good() const { return !refusal_; }
  // REQUIRES: !is_good().
  [[nodiscard]] const ApiResponse& complaint() const { return *refusal_; }

  // Absent, null or empty: nothing.
  std::optional<std::string> text(std::string_view key);
  // Absent or null: false.
  bool flag(std::string_view key);
  std::vector<std::string> texts(std::string_view key);
  // The uuid at `initiated_by`, as it came; empty: nobody is named.
  std::string person();

  template <class Id>
  std::optional<Id> id(std::string_view key) {
    const auto given = text(key);
    auto parsed = given ? Id::parse(*given) : std::nullopt;
    if (given && !parsed) {
      object(key, "a uuid such as 123e4567-e89b-12d3-a456-426614174000");
    }
    return parsed;
  }

  // Makes the 400 that names the key and what is expected of it.
  void object(std::string_view key, std::string_view expected);

 private:
  struct Document;

  std::unique_ptr<Document> document_;
  std::optional<ApiResponse> refusal_;
};

}  // namespace rollbackd::engine
