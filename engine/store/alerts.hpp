#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/database/connection.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// What became of the alerts of one delivery. One that was told before is counted again, and nothing
// else happens.
struct TakenAlerts {
  std::size_t firing = 0;
  std::size_t resolved = 0;
  std::size_t left_out = 0;  // they fire, and count nowhere
};

// {"firing": …, "resolved": …, "left_out": …}
std::string json_of(const TakenAlerts& taken);

// Keeps in ops.alerts what fires and takes out what is resolved, in one transaction. An alert that
// has begun again after it was resolved stays.
TakenAlerts write_alerts(Connection& connection, const std::vector<IncomingAlert>& alerts);

}  // namespace rollbackd::engine
