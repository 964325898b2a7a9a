#include "engine/http/digest.hpp"

#include <openssl/evp.h>

#include "rules/invariant.hpp"

namespace rollbackd::engine {

std::array<std::uint8_t, 32> sha256(std::string_view text) {
  std::array<std::uint8_t, 32> digest{};
  unsigned int length = 0;
  const int done =
      EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr);
  INVARIANT(done == 1 && length == digest.size());
  return digest;
}

std::string sha256_base64(std::string_view text) {
  const auto digest = sha256(text);
  std::array<unsigned char, (digest.size() + 2) / 3 * 4 + 1> encoded{};
  const int length =
      EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(digest.size()));
  return {encoded.begin(), encoded.begin() + length};
}

}  // namespace rollbackd::engine
