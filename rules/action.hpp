#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "rules/ids.hpp"
#include "rules/time.hpp"
#include "rules/value.hpp"

namespace rollbackd::rules {

// Names one transaction of the journal within this process.
using CommitId = std::uint64_t;

enum class SnapshotType { pre_deployment, post_deployment, pre_rollback };

std::string_view name_of(SnapshotType type);

// Answered by SnapshotTaken, after limits::snapshot_timeout at the latest.
struct TakeSnapshot {
  DeploymentId deployment;
  SnapshotType type = SnapshotType::pre_rollback;
  Fields samples;  // of the moment it is about; they go into key_metrics
};

// The one dispatch of a rollback. Answered by DeployStarted and DeployEnded, or by DeployEnded
// alone.
struct Deploy {
  EventId event;
  Service service;
  DeploymentId replacement;
  DeploymentId rolled_back;
  std::string version;  // the target's
  std::string git_commit;
  std::string reason;
};

// Asks the configured health_url. Answered by HealthUrlAnswered.
struct ProbeHealth {
  EventId event;
  Service service;
};

// Counts a service's windows anew. Answered by WindowsRecounted with the same number.
struct RebuildWindows {
  Service service;
  std::uint64_t number = 0;
  std::string why;  // a word for the log
};

using Action = std::variant<TakeSnapshot, Deploy, ProbeHealth, RebuildWindows>;

}  // namespace rollbackd::rules
