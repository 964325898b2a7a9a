// Secrets, signatures and tokens. Input: secret, token and id on a line each, then what is signed.

#include <array>
#include <charconv>

#include <openssl/evp.h>

#include "engine/actions/standard_webhook.hpp"
#include "engine/http/tokens.hpp"
#include "engine/settings_values.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/promises.hpp"
#include "tests/support/http_token.hpp"

namespace rollbackd::fuzz {
namespace {

constexpr rules::Second now = 1'765'809'300;

std::string signature_of(const engine::Result<engine::HttpHeaders>& headers) {
  INVARIANT(headers && headers->size() == 3);
  return headers->back().second;
}

void sign(std::string_view secret, std::string_view id, std::string_view body) {
  const engine::Secret given{std::string{secret}};
  const std::string_view objection = engine::objection_to_webhook_secret(secret);
  const auto headers = engine::webhook_headers(given, id, rules::instant_of(now), body);
  INVARIANT(static_cast<bool>(headers) == objection.empty());
  if (!headers) {
    INVARIANT(headers.error().what == "the secret " + std::string{objection});
    return;
  }
  const std::string signature = signature_of(headers);
  std::array<unsigned char, 33> digest{};
  INVARIANT(signature.size() == 47 && signature.starts_with("v1,"));
  INVARIANT(EVP_DecodeBlock(digest.data(),
                            reinterpret_cast<const unsigned char*>(signature.data()) + 3,
                            44) == 33);
  // Every byte of what is signed counts.
  std::string other{body};
  other += 'x';
  INVARIANT(signature !=
            signature_of(engine::webhook_headers(given, id, rules::instant_of(now), other)));
  INVARIANT(signature !=
            signature_of(engine::webhook_headers(given, id, rules::instant_of(now + 1), body)));
}

bool is_right(std::string_view authorization, std::string_view token) {
  constexpr std::size_t scheme = std::string_view{"Bearer "}.size();
  const std::string_view credential = authorization.substr(std::min(scheme, authorization.size()));
  const std::size_t blanks = std::min(credential.find_first_not_of(' '), credential.size());
  return credential.substr(blanks) == token;
}

void authorize(std::string_view text) {
  static const engine::Tokens tokens{
      {tests::token_named("reader", {engine::Scope::read}),
       tests::token_named("operator", {engine::Scope::read, engine::Scope::rollback})}};
  engine::ApiRequest request;
  request.authorization = text;
  const engine::HttpToken* holder = tokens.holder(request);
  INVARIANT(holder == nullptr || is_right(text, holder->name));
  if (holder == nullptr) {
    const engine::ApiResponse refused = tokens.unauthorized(request, engine::Scope::rollback);
    INVARIANT(refused.status == 401 && is_json(refused.body));
  }
  request.authorization.clear();
  request.apikey = text;
  holder = tokens.holder(request);
  INVARIANT((holder != nullptr) == (text == "reader" || text == "operator"));
}

void run(std::string_view input) {
  const std::string_view secret = take_part(input);
  const std::string_view token = take_part(input);
  const std::string_view id = take_part(input);
  sign(secret, id, input);
  authorize(token);
  if (const auto hash = engine::sha256_named(token)) {
    unsigned first = 0;
    std::from_chars(token.data(), token.data() + 2, first, 16);
    INVARIANT((*hash)[0] == first);
  }
}

const Registered target{{"signatures", run}};

}  // namespace
}  // namespace rollbackd::fuzz
