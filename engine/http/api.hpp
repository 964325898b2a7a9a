#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/http/idempotency.hpp"
#include "engine/http/message.hpp"
#include "engine/http/rate_limits.hpp"
#include "engine/http/route.hpp"
#include "engine/http/tokens.hpp"

namespace rollbackd::engine {

// The routes (DESIGN.md section 8): a checked request in, a response out. Knows no socket. Reactor
// thread only.
class Api {
 public:
  Api(ApiSources sources, std::vector<HttpToken> tokens, const RateSettings& rates = {});

  void answer(ApiRequest request, ApiReply reply) const;

  // How large this request's body may be, of which all but the body is there.
  [[nodiscard]] BodyLimit body_limit(const ApiRequest& request) const;

  // From the next request on.
  void use(std::vector<HttpToken> tokens) { tokens_ = Tokens{std::move(tokens)}; }

  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }

 private:
  void route(ApiRequest request, const ApiReply& reply) const;
  // Whether this caller may ask for this now, and who it is; else the refusal.
  [[nodiscard]] std::optional<ApiResponse> admit(const Route& known, ApiCall& call) const;
  [[nodiscard]] std::optional<ApiResponse> without_token(const ApiRequest& request,
                                                         std::optional<Scope> scope) const;
  [[nodiscard]] ApiResponse unknown(const ApiRequest& request) const;

  ApiSources sources_;
  Tokens tokens_;
  std::vector<Route> routes_;
  std::shared_ptr<RateLimits> rates_;  // counted also by who only asks
  Idempotency idempotency_;
};

}  // namespace rollbackd::engine
