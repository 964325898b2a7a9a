#pragma once

#include <filesystem>
#include <optional>

namespace rollbackd::engine {

// How much of the memory that this process may use is in use, in percent: of its cgroup where that
// has a limit, else of the host (what is available without swapping counts as free). Nothing: /proc
// and /sys do not say. `root` is "/" outside of tests.
std::optional<double> memory_utilisation(const std::filesystem::path& root = "/");

}  // namespace rollbackd::engine
