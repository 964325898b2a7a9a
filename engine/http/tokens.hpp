#pragma once

#include <string_view>
#include <vector>

#include "engine/http/message.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// Who may do what. Takes as long for a wrong token as for a right one.
class Tokens {
 public:
  explicit Tokens(std::vector<HttpToken> known) : known_{std::move(known)} {}

  // Whose token the request carries, whatever it may: that of `Authorization: Bearer`, else
  // `apikey`. Null: none, or no good one.
  [[nodiscard]] const HttpToken* holder(const ApiRequest& request) const;
  // Good or not.
  [[nodiscard]] static bool has_credential(const ApiRequest& request);

  // 401 for a request without a good token, to a route that needs this scope.
  [[nodiscard]] ApiResponse unauthorized(const ApiRequest& request, Scope scope) const;
  // 403 for a token without this scope.
  [[nodiscard]] static ApiResponse forbidden(const HttpToken& token, Scope scope);

 private:
  [[nodiscard]] const HttpToken* find(std::string_view credential) const;

  std::vector<HttpToken> known_;
};

}  // namespace rollbackd::engine
