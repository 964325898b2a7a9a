#pragma once

#include <span>

#include "engine/embedded_file.hpp"

namespace rollbackd::engine {

// openapi.json and status.html. Any thread may call it.
std::span<const EmbeddedFile> embedded_pages();

// The text of one of them. REQUIRES: there is one of this name.
std::string_view embedded_page(std::string_view name);

}  // namespace rollbackd::engine
