#include "engine/terminal/near.hpp"

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "engine/settings_values.hpp"
#include "engine/terminal/json_parts.hpp"

namespace rollbackd::terminal {
namespace {

using nlohmann::json;

constexpr std::size_t shown_max = 5;

std::size_t same_beginning(const std::string& a, const std::string& b) {
  const auto ends = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(ends.first - a.begin());
}

std::string line_of(const json& row) {
  const std::string event = shown_of(row, "event_id");
  const std::string service = shown_of(row, "environment") + "/" + shown_of(row, "service");
  return event.empty() ? shown_of(row, "version") + "  " + shown_of(row, "deployment_id") + "  " +
                             service + "  " + shown_of(row, "status")
                       : "rollback " + event + "  " + service + "  " + shown_of(row, "status") +
                             "  " + shown_of(row, "trigger_reason");
}

// How near a name of the row comes: by the most characters at the beginning, or by a slip of the
// fingers.
std::size_t nearness(const std::string& name, const json& row) {
  std::size_t best = 0;
  for (const char* key : {"version", "deployment_id", "event_id"}) {
    const std::string known = text_of(row, key);
    if (known.empty()) {
      continue;
    }
    const bool is_slip = !engine::closest(name, {known}).empty();
    best =
        std::max(best, is_slip ? std::max(known.size(), name.size()) : same_beginning(name, known));
  }
  return best;
}

}  // namespace

std::vector<std::string> near_matches(const std::string& name, const json& known) {
  std::vector<std::pair<std::size_t, const json*>> ranked;
  for (const json& row : known) {
    ranked.emplace_back(nearness(name, row), &row);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < std::min(ranked.size(), shown_max); ++i) {
    lines.push_back(line_of(*ranked[i].second));
  }
  return lines;
}

}  // namespace rollbackd::terminal
