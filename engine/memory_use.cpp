#include "engine/memory_use.hpp"

#include <fstream>
#include <string>

namespace rollbackd::engine {
namespace {

std::optional<double> number_in(const std::filesystem::path& file) {
  std::ifstream in{file};
  double number = 0;
  return in >> number ? std::optional{number} : std::nullopt;  // "max" is no number: no limit
}

// The value of a "Name:   123 kB" line.
std::optional<double> line_of(const std::filesystem::path& file, const std::string& name) {
  std::ifstream in{file};
  std::string word;
  double number = 0;
  for (std::string unit; in >> word >> number; std::getline(in, unit)) {
    if (word == name + ":") {
      return number;
    }
  }
  return std::nullopt;
}

// The path of this process in the unified hierarchy, "/" in a container's own namespace.
std::string cgroup_path(const std::filesystem::path& root) {
  std::ifstream in{root / "proc/self/cgroup"};
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("0::/", 0) == 0) {
      return line.substr(4);
    }
  }
  return {};
}

}  // namespace

std::optional<double> memory_utilisation(const std::filesystem::path& root) {
  const auto group = root / "sys/fs/cgroup" / cgroup_path(root);
  const auto limit = number_in(group / "memory.max");
  const auto used = number_in(group / "memory.current");
  if (limit && used && *limit > 0) {
    return 100.0 * *used / *limit;
  }
  const auto total = line_of(root / "proc/meminfo", "MemTotal");
  const auto available = line_of(root / "proc/meminfo", "MemAvailable");
  if (!total || !available || *total <= 0) {
    return std::nullopt;
  }
  return 100.0 * (*total - *available) / *total;
}

}  // namespace rollbackd::engine
