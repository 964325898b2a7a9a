#pragma once

#include <string>
#include <string_view>

#include "engine/result.hpp"

namespace rollbackd::engine {

// A URL that rollbackd may ask: https, or http to loopback, without user and password.
struct Url {
  std::string text;
  std::string origin;  // "https://host" or "https://host:8443": all of it that may be said aloud
  std::string path;    // with the query; it may be a secret
  bool is_https = true;
};

// The error names what is wrong without repeating the URL.
Result<Url> parse_url(const std::string& text);

// An address as text that can only be this machine: 127.0.0.0/8, ::1, or the former inside IPv6.
bool is_loopback(std::string_view address);

}  // namespace rollbackd::engine
