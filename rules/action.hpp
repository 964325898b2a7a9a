#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

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

// The one dispatch of a claim. Answered by DeployStarted and DeployEnded, or by DeployEnded alone.
// Right before it the pause and the leader's epoch are read once more; if they cannot be, or forbid
// it, nothing is dispatched.
struct Deploy {
  EventId event;
  Service service;
  std::string executor;
  DeploymentId replacement;
  DeploymentId rolled_back;
  std::string version;  // the target's
  std::string git_commit;
  std::string reason;
  Instant claimed_at;
  bool through_pause = false;  // a person set the pause aside
};

// Goes on with what a claim dispatched, or may have; dispatches nothing. Answered like Deploy.
struct FollowDeploy {
  EventId event;
  Service service;
  std::string executor;
  std::string run;  // as DeployStarted named it; empty: it is looked up by its marker
  Instant claimed_at;
  bool late = false;  // its rollback has ended: it is to be cancelled, and followed to its end
};

// Ends what was dispatched, if it can be. What it ended with comes as its DeployEnded.
struct CancelDeploy {
  EventId event;
  Service service;
  std::string executor;
  std::string run;
};

// Runs the scripts of the migrations since the target, newest first. Answered by
// MigrationsReverted.
struct RevertMigrations {
  EventId event;
  DeploymentId deployment;  // the bad one
  Service service;
  std::vector<std::string> migrations;  // by name, in the order to revert them
};

// Looks at ops.control and what else can forbid to act, now. Answered by a ControlRead with this
// number or a higher one, as soon as it can be read.
struct ReadControl {
  std::uint64_t number = 0;
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

// Counts the response times of all services anew from one snapshot, which sees every move of events
// up to this number (Deployments::moves). Answered by a whole ResponseTimesRead.
struct RecountResponseTimes {
  std::uint64_t number = 0;
};

using Action = std::variant<TakeSnapshot, Deploy, FollowDeploy, CancelDeploy, RevertMigrations,
                            ReadControl, ProbeHealth, RebuildWindows, RecountResponseTimes>;

}  // namespace rollbackd::rules
