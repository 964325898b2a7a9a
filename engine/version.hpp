#pragma once

#include <string_view>

namespace rollbackd::engine {

// The version of the release, as in CMakeLists.txt: "0.1.0".
std::string_view version();

// The first twelve digits of the commit it was configured from; "unknown" when built from a
// tarball.
std::string_view commit();

}  // namespace rollbackd::engine
