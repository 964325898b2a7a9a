#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/http/message.hpp"
#include "engine/http/route.hpp"
#include "engine/http/tokens.hpp"

namespace rollbackd::engine {

// The routes (DESIGN.md section 8): a checked request in, a response out. Knows no socket. Reactor
// thread only.
class Api {
 public:
  Api(ApiSources sources, std::vector<HttpToken> tokens);

  void answer(ApiRequest request, ApiReply reply) const;

  // From the next request on.
  void use(std::vector<HttpToken> tokens) { tokens_ = Tokens{std::move(tokens)}; }

  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }

 private:
  void route(ApiRequest request, const ApiReply& reply) const;
  [[nodiscard]] ApiResponse unknown(const ApiRequest& request) const;

  ApiSources sources_;
  Tokens tokens_;
  std::vector<Route> routes_;
};

}  // namespace rollbackd::engine
