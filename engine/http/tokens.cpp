#include "engine/http/tokens.hpp"

#include <string>

#include <openssl/crypto.h>

#include "engine/http/digest.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::string_view bearer = "bearer ";

bool begins_with_bearer(std::string_view authorization) {
  if (authorization.size() < bearer.size()) {
    return false;
  }
  for (std::size_t i = 0; i < bearer.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != bearer[i]) {
      return false;
    }
  }
  return true;
}

std::string_view credential_of(const ApiRequest& request) {
  const std::string_view authorization = request.authorization;
  if (!begins_with_bearer(authorization)) {
    return request.apikey;
  }
  const std::size_t begin = authorization.find_first_not_of(' ', bearer.size());
  return begin == std::string_view::npos ? "" : authorization.substr(begin);
}

ApiResponse refused(std::string_view error, std::string_view details) {
  ApiResponse response = refusal(401, error, details);
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

}  // namespace

const HttpToken* Tokens::find(std::string_view credential) const {
  const auto digest = sha256(credential);
  const HttpToken* found = nullptr;
  for (const HttpToken& token : known_) {
    if (CRYPTO_memcmp(digest.data(), token.sha256.data(), digest.size()) == 0) {
      found = &token;
    }
  }
  return found;
}

const HttpToken* Tokens::holder(const ApiRequest& request) const {
  return find(credential_of(request));
}

bool Tokens::has_credential(const ApiRequest& request) { return !credential_of(request).empty(); }

ApiResponse Tokens::unauthorized(const ApiRequest& request, Scope scope) const {
  const std::string scope_name{name_of(scope)};
  if (known_.empty()) {
    return refused("No token is configured",
                   "Add one with the scope " + scope_name +
                       " to http.tokens in the configuration: {name: ci, sha256: \"…\", scopes: [" +
                       scope_name + "]}; printf %s TOKEN | sha256sum gives the hash.");
  }
  if (!has_credential(request)) {
    return refused("Missing token",
                   "Send a token of http.tokens as Authorization: Bearer, or as apikey.");
  }
  return refused("Unknown token",
                 "No token in http.tokens has the SHA-256 of this one; send one that is there.");
}

ApiResponse Tokens::forbidden(const HttpToken& token, Scope scope) {
  const std::string scope_name{name_of(scope)};
  return refusal(403, "Missing scope " + scope_name,
                 "The token " + token.name + " has not the scope " + scope_name +
                     ": add it to the token's scopes in http.tokens.");
}

}  // namespace rollbackd::engine
