#include "engine/http/api.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/http/routes.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::string_view api_prefix = "/auto-rollback";
constexpr std::string_view supabase_prefix = "/functions/v1/auto-rollback";

// Both spellings of the API's paths as one; other paths as they are. The original takes nothing
// behind the prefix for a slash, so clients may send one.
std::string_view canonical(std::string_view path) {
  const std::string_view own = path.starts_with(supabase_prefix)
                                   ? path.substr(supabase_prefix.size() - api_prefix.size())
                                   : path;
  return own == "/auto-rollback/" ? api_prefix : own;
}

bool is_api(std::string_view path) {
  return path == api_prefix || (path.starts_with(api_prefix) && path[api_prefix.size()] == '/');
}

// Browsers ask for these; supabase-js sends x-region where a region is chosen.
void allow_browsers(ApiResponse& response) {
  response.headers.insert(
      response.headers.end(),
      {{"Access-Control-Allow-Origin", "*"},
       {"Access-Control-Allow-Headers",
        "authorization, x-client-info, apikey, content-type, x-region, prefer, idempotency-key"},
       {"Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"},
       {"Access-Control-Expose-Headers", "x-request-id, retry-after, idempotency-replayed, allow"},
       {"Access-Control-Max-Age", "7200"}});
}

std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);  // the slash
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

// What stands for the {…} of the pattern; nothing: it is another path.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
  std::vector<std::string> parameters;
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = take_segment(pattern);
    const std::string_view given = take_segment(path);
    if (wanted.starts_with('{') && !given.empty()) {
      parameters.emplace_back(given);
    } else if (wanted != given) {
      return std::nullopt;
    }
  }
  return pattern.empty() && path.empty() ? std::optional{std::move(parameters)} : std::nullopt;
}

void append(std::vector<Route>& all, std::vector<Route> more) {
  std::move(more.begin(), more.end(), std::back_inserter(all));
}

ApiResponse ask_the_leader(const std::string& leader) {
  return come_back("Not the leader",
                   leader.empty()
                       ? "No rollbackd leads at this moment; ask again. /readyz says why."
                       : "This is a standby; " + leader + " leads. Ask there.");
}

}  // namespace

Api::Api(ApiSources sources, std::vector<HttpToken> tokens, const RateSettings& rates)
    : sources_{std::move(sources)},
      tokens_{std::move(tokens)},
      rates_{std::make_shared<RateLimits>(rates)} {
  append(routes_, status_routes());
  append(routes_, rollback_routes());
  append(routes_, people_routes());
  append(routes_, record_routes());
  append(routes_, discord_routes());
  append(routes_, alert_routes());
}

void Api::answer(ApiRequest request, ApiReply reply) const {
  const std::string_view path = canonical(request.path);
  if (!is_api(path)) {
    return route(std::move(request), reply);
  }
  const ApiReply to_browsers = [reply = std::move(reply)](ApiResponse response) {
    allow_browsers(response);
    reply(std::move(response));
  };
  if (request.method == "OPTIONS") {
    if (auto refused = without_token(request, {})) {
      return to_browsers(std::move(*refused));
    }
    ApiResponse response;
    response.content_type = plain_text_type;
    response.body = "ok";
    return to_browsers(std::move(response));
  }
  request.path = std::string{path};
  route(std::move(request), to_browsers);
}

void Api::route(ApiRequest request, const ApiReply& reply) const {
  for (const Route& known : routes_) {
    // The server leaves the body of an answer to HEAD out.
    const bool is_method =
        request.method == known.method || (request.method == "HEAD" && known.method == "GET");
    auto parameters = is_method ? match(known.path, request.path) : std::nullopt;
    if (!parameters) {
      continue;
    }
    const ApiReply answered = [reply, method = known.method,
                               path = known.path](ApiResponse response) {
      response.route = {method, path};
      reply(std::move(response));
    };
    ApiCall call{std::move(request), std::move(*parameters), {}, false};
    if (auto refused = admit(known, call)) {
      refused->token = call.token;
      return answered(std::move(*refused));
    }
    if (known.acts) {
      if (const auto leader = sources_.other_leader()) {
        return answered(ask_the_leader(*leader));
      }
    }
    ApiReply named = [answered, token = call.token](ApiResponse response) {
      response.token = token;
      answered(std::move(response));
    };
    if (known.acts) {
      return idempotency_.answer(sources_, known, std::move(call), std::move(named));
    }
    return known.handler(sources_, std::move(call), std::move(named));
  }
  auto refused = without_token(request, {});
  reply(refused ? std::move(*refused) : unknown(request));
}

BodyLimit Api::body_limit(const ApiRequest& request) const {
  const std::string_view path = canonical(request.path);
  for (const Route& known : routes_) {
    if (known.body.bytes == 0 || request.method != known.method || !match(known.path, path)) {
      continue;
    }
    const HttpToken* token = known.scope ? tokens_.holder(request) : nullptr;
    return token != nullptr && token->may(*known.scope)
               ? known.body
               : BodyLimit{0, "Who sends a token that may do this may send more."};
  }
  return {};
}

std::optional<ApiResponse> Api::admit(const Route& known, ApiCall& call) const {
  const HttpToken* token = known.scope ? tokens_.holder(call.request) : nullptr;
  if (token == nullptr) {
    return without_token(call.request, known.scope);
  }
  call.token = token->name;
  call.sender.token = token->name;
  call.may_override = token->may(Scope::override);
  if (const Refusal wait = rates_->request_with(token->name, known.acts, steady_now())) {
    return too_many(
        *wait, "The token " + token->name + " has been used too often; wait as Retry-After says.");
  }
  return token->may(*known.scope) ? std::nullopt
                                  : std::optional{Tokens::forbidden(*token, *known.scope)};
}

std::optional<ApiResponse> Api::without_token(const ApiRequest& request,
                                              std::optional<Scope> scope) const {
  const bool is_wrong = scope && Tokens::has_credential(request);
  const SteadyTime now = steady_now();
  const Refusal wait = is_wrong ? rates_->wrong_token_from(request.client, now)
                                : rates_->request_from(request.client, now);
  if (wait) {
    return too_many(*wait, is_wrong ? "Too many wrong tokens came from this address; send one of "
                                      "http.tokens, which is answered at once."
                                    : "Too many requests came from this address; wait as "
                                      "Retry-After says.");
  }
  return scope ? std::optional{tokens_.unauthorized(request, *scope)} : std::nullopt;
}

ApiResponse Api::unknown(const ApiRequest& request) const {
  std::string allowed;
  std::string paths;
  for (const Route& known : routes_) {
    if (match(known.path, request.path)) {
      allowed += (allowed.empty() ? "" : ", ") + std::string{known.method} +
                 (known.method == "GET" ? ", HEAD" : "");
    }
    paths +=
        (paths.empty() ? "" : ", ") + std::string{known.method} + " " + std::string{known.path};
  }
  if (allowed.empty()) {
    return refusal(404, "Unknown endpoint",
                   "GET /openapi.json describes all there are: " + paths + ".");
  }
  allowed += is_api(request.path) ? ", OPTIONS" : "";
  ApiResponse response =
      refusal(405, "Method not allowed", "This path answers to " + allowed + ".");
  response.headers.emplace_back("Allow", allowed);
  return response;
}

ApiResponse come_back(std::string_view error, std::string_view details) {
  ApiResponse response = refusal(503, error, details);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

ApiResponse too_many(std::chrono::seconds wait, std::string_view details) {
  ApiResponse response = refusal(429, "Too many requests", details);
  response.headers.emplace_back("Retry-After", std::to_string(wait.count()));
  return response;
}

ApiResponse unanswered(const Error& error) {
  return come_back("The database cannot be read", error.what + "; " + error.remedy);
}

ApiResponse json_answer(std::string body, int status) {
  ApiResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

}  // namespace rollbackd::engine
