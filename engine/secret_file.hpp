#pragma once

#include <filesystem>
#include <string>

#include "engine/result.hpp"

namespace rollbackd::engine {

// The one line of the file of a secret, without its line end. The error's `what` goes on from the
// file's name ("is empty") and shows nothing of it. Any thread.
Result<std::string> read_secret_file(const std::filesystem::path& file);

}  // namespace rollbackd::engine
