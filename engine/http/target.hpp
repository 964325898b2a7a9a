#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rollbackd::engine {

// The decoded path of a request's target, without its query. Nothing: bad percent-encoding, no
// UTF-8, a control character, an encoded slash, a "." or ".." segment, or no path at all. What two
// readers could understand differently is refused instead of normalised.
std::optional<std::string> path_of(std::string_view target);

// What stands behind the question mark of a target that path_of() takes, as it came; or nothing.
std::string_view query_of(std::string_view target);

// The decoded value of a parameter of such a query; nothing: it is not there. Of several the first
// counts; parameters that nobody asks for are nobody's business.
std::optional<std::string> parameter(std::string_view query, std::string_view name);

}  // namespace rollbackd::engine
