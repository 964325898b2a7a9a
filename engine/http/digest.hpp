#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace rollbackd::engine {

std::array<std::uint8_t, 32> sha256(std::string_view text);

// The same in base64, as a Content-Security-Policy names a script.
std::string sha256_base64(std::string_view text);

}  // namespace rollbackd::engine
