#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "engine/interactions.hpp"

struct evp_pkey_st;

namespace rollbackd::engine {

// Whether a request was signed by Discord: Ed25519 over the timestamp and the body as they came.
class SignatureCheck {
 public:
  explicit SignatureCheck(const std::array<std::uint8_t, 32>& public_key);

  [[nodiscard]] bool is_signed(const SignedBody& request) const;

 private:
  struct FreeKey {
    void operator()(evp_pkey_st* key) const;
  };
  std::unique_ptr<evp_pkey_st, FreeKey> key_;
};

}  // namespace rollbackd::engine
