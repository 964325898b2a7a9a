#include "rules/trigger_limit.hpp"

#include <algorithm>

namespace rollbackd::rules {

std::optional<double> rollback_limit(const TriggerTable& table, Signal signal, Second window) {
  std::optional<double> lowest;
  for (const Trigger& row : table) {
    if (row.action == TriggerAction::rollback && row.signal == signal && row.window == window) {
      lowest = std::min(lowest.value_or(row.above), row.above);
    }
  }
  return lowest;
}

}  // namespace rollbackd::rules
