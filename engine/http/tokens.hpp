#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include "engine/http/message.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// Who may do what. Takes as long for a wrong token as for a right one.
class Tokens {
 public:
  explicit Tokens(std::vector<HttpToken> known) : known_{std::move(known)} {}

  // Whose token the request carries, or the 401 or 403 to answer with. The credential is that of
  // `Authorization: Bearer`, else `apikey`.
  [[nodiscard]] std::variant<const HttpToken*, ApiResponse> caller(const ApiRequest& request,
                                                                   Scope scope) const;

 private:
  [[nodiscard]] const HttpToken* find(std::string_view credential) const;

  std::vector<HttpToken> known_;
};

}  // namespace rollbackd::engine
