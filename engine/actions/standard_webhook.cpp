#include "engine/actions/standard_webhook.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "engine/settings_values.hpp"
#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::string_view prefix = "whsec_";

using Bytes = std::vector<unsigned char>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// REQUIRES: base64 with its padding.
Bytes decoded(std::string_view base64) {
  Bytes bytes(base64.size() / 4 * 3);
  const int size = EVP_DecodeBlock(bytes.data(), bytes_of(base64), static_cast<int>(base64.size()));
  INVARIANT(size >= 0);
  // It counts what stands for the padding, too.
  const std::size_t padding = base64.size() - std::min(base64.find('='), base64.size());
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

std::string base64_of(const unsigned char* bytes, std::size_t size) {
  std::string text((size + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends it with a NUL
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

}  // namespace

Result<HttpHeaders> webhook_headers(const Secret& secret, std::string_view id, rules::Instant now,
                                    std::string_view body) {
  if (const auto objection = objection_to_webhook_secret(secret.reveal()); !objection.empty()) {
    return Error{"the secret " + std::string{objection},
                 "expected whsec_ and base64 of 24 to 64 random bytes"};
  }
  const Bytes key = decoded(std::string_view{secret.reveal()}.substr(prefix.size()));
  const std::string timestamp = std::to_string(rules::second_of(now));
  std::string signed_text{id};
  signed_text.append(".").append(timestamp).append(".").append(body);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  INVARIANT(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(signed_text),
                 signed_text.size(), digest.data(), &size) != nullptr);
  return HttpHeaders{{"webhook-id", std::string{id}},
                     {"webhook-timestamp", timestamp},
                     {"webhook-signature", "v1," + base64_of(digest.data(), size)}};
}

}  // namespace rollbackd::engine
