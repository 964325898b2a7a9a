#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rollbackd::engine {

// The decoded path of a request's target, without its query. Nothing: bad percent-encoding, no
// UTF-8, a control character, an encoded slash, a "." or ".." segment, or no path at all. What two
// readers could understand differently is refused instead of normalised.
std::optional<std::string> path_of(std::string_view target);

}  // namespace rollbackd::engine
