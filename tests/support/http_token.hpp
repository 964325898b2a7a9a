#pragma once

#include <string>
#include <utility>
#include <vector>

#include <openssl/evp.h>

#include "engine/settings.hpp"

namespace rollbackd::tests {

// A token whose text is its name.
inline engine::HttpToken token_named(const std::string& name, std::vector<engine::Scope> scopes) {
  engine::HttpToken token;
  token.name = name;
  token.scopes = std::move(scopes);
  unsigned int length = 0;
  EVP_Digest(name.data(), name.size(), token.sha256.data(), &length, EVP_sha256(), nullptr);
  return token;
}

}  // namespace rollbackd::tests
