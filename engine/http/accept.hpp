#pragma once

#include <string_view>

#include "engine/ports.hpp"

namespace rollbackd::engine {

// Which format of the metrics a request asks for by its Accept field; text where it says nothing of
// either, or prefers it.
Exposition wanted_exposition(std::string_view accept);

}  // namespace rollbackd::engine
