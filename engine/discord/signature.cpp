#include "engine/discord/signature.hpp"

#include <string>

#include <openssl/evp.h>

#include "engine/settings_values.hpp"
#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

const unsigned char* bytes_of(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

void SignatureCheck::FreeKey::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

SignatureCheck::SignatureCheck(const std::array<std::uint8_t, 32>& public_key)
    : key_{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(),
                                       public_key.size())} {
  INVARIANT(key_ != nullptr);
}

bool SignatureCheck::is_signed(const SignedBody& request) const {
  std::array<std::uint8_t, 64> signature{};
  if (!read_hex(request.signature, signature)) {
    return false;
  }
  const std::string message = request.timestamp + request.body;
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context{EVP_MD_CTX_new()};
  return context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes_of(message),
                          message.size()) == 1;
}

}  // namespace rollbackd::engine
