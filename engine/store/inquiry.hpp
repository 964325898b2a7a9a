#pragma once

#include <string>

#include "engine/database/conninfo.hpp"
#include "engine/result.hpp"

namespace rollbackd::engine {

// What the database alone knows about a rollback or a deployment, as JSON:
//
//   {"rollbacks": […], "deployments": […], "known": […]}
//
// `name` is an event_id, a deployment_id, the beginning of one (at least four characters), or a
// version. A rollback is its row with its deployment, replacement, snapshots, sample_errors,
// `decisions` (rows of ops.roman_events) and `notifications`; a deployment, at most the five newest
// of a version, its row with errors, decisions, rollbacks, and what else happened in its time.
// `known` are the newest deployments and rollbacks, where nothing or more than one thing has that
// name. Works without a daemon, and on a standby. Blocks; any thread.
Result<std::string> inquire(const ConnectionInfo& info, const std::string& name);

}  // namespace rollbackd::engine
