#pragma once

#include <optional>

#include "rules/trigger_table.hpp"

namespace rollbackd::rules {

// The lowest threshold of the rows that roll back by this signal over this window; nothing: none
// does.
std::optional<double> rollback_limit(const TriggerTable& table, Signal signal, Second window);

}  // namespace rollbackd::rules
