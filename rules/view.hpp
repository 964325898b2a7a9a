#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/ids.hpp"
#include "rules/time.hpp"

namespace rollbackd::rules {

// How a deployment stands, in the API's words.
enum class State { healthy, watched, firing, held, proposed, rolling_back, rolled_back, rejected };

std::string_view name_of(State state);
std::vector<State> all_states();

// The answer to "should this deployment be rolled back", from memory.
struct CheckView {
  bool should_rollback = false;
  std::string reason;  // "System healthy", or the text of the row that fires
  bool healthy = true;
  double error_rate_per_minute = 0;
  std::uint64_t recent_errors = 0;        // events of the last 5 minutes
  std::int64_t database_connections = 0;  // client backends
  std::int64_t active_queries = 0;
  double connection_utilisation = 0;  // percent
  State state = State::healthy;
  Second as_of = 0;  // the database's second that the numbers are true for
};

// One service with its current deployment, for metrics and the status page.
struct ServiceView {
  Service service;
  DeploymentId deployment;
  std::string version;
  double errors_per_minute = 0;
  std::uint64_t recent_errors = 0;
  State state = State::healthy;
  std::optional<double> response_time_p95;  // seconds, of the last 5 minutes; nothing: not known
};

}  // namespace rollbackd::rules
