#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "rules/action.hpp"
#include "rules/deployment.hpp"
#include "rules/ids.hpp"
#include "rules/reason.hpp"
#include "rules/rollback.hpp"
#include "rules/time.hpp"

namespace rollbackd::rules {

// Events of one whole second and one attribution: no deployment began or ended between any two of
// them.
struct EventGroup {
  std::optional<DeploymentId> deployment;  // as the rows say; nothing: by service and time
  Service service;
  Instant at;  // the earliest of them
  std::uint64_t count = 0;
};

// All rows of the windows counted once more, to hold memory against. `foreign_rows` of them have an
// xid that is missing or that this server has not given out: no difference of snapshots finds them.
struct Audit {
  std::vector<EventGroup> events;
  std::uint64_t foreign_rows = 0;
};

// What one snapshot of the database has more than the one before. The services in `rebuilt` are
// told whole: their windows are replaced by the groups of this batch.
struct FeedBatch {
  Instant as_of;  // the database's time of the snapshot
  std::vector<Deployment> deployments;
  std::vector<EventGroup> events;
  std::vector<Service> rebuilt;
  std::optional<Audit> audit;  // of the same snapshot
};

// The whole state of the feed in one snapshot. Windows are complete from here on.
struct FeedRebuilt {
  Instant as_of;
  std::string why;
  std::vector<Deployment> deployments;
  std::vector<EventGroup> events;
};

// The feed has a gap from here until the next FeedRebuilt; nothing is judged meanwhile.
struct FeedLost {
  std::string why;
};

// A rollback of the service ended so that automatic ones have to stop until a later deployment.
struct Latch {
  EventId event;
  DeploymentId deployment;
};

struct Rejection {
  DeploymentId deployment;
  std::vector<Reason> reasons;
};

// What the journal says of a service's past, as far as later decisions depend on it.
struct ServiceHistory {
  Service service;
  std::optional<Latch> latch;
  std::optional<Instant> automatic_ended_at;
  std::optional<Rejection> rejection;
};

// The journal as it is in the database: at the start, and whenever a write to it failed.
struct JournalRead {
  std::vector<Rollback> active;
  std::vector<ServiceHistory> histories;
  std::vector<EventId> running;  // whose deploy this very process still runs
};

// The transaction of an Output is committed, or was not or may not have been; then all that was
// believed about rollbacks is dropped until the next JournalRead.
struct CommitDone {
  CommitId id = 0;
  bool committed = false;
  std::string error;
};

// Another daemon may lead from now on: what was believed about rollbacks is dropped until the next
// JournalRead.
struct LeadershipLost {};

struct Sampled {
  double connection_utilisation = 0;  // percent of the usable connections
  std::int64_t connections = 0;       // client backends
  std::int64_t active_queries = 0;
  std::optional<double> memory_utilisation;  // percent
};

struct SnapshotTaken {
  DeploymentId deployment;
  SnapshotType type = SnapshotType::pre_rollback;
  std::string snapshot_id;  // empty: it failed
  std::string error;
};

struct DeployStarted {
  EventId event;
  std::string detail;
};

enum class DeployOutcome { succeeded, failed, not_started, unknown };

struct DeployEnded {
  EventId event;
  DeployOutcome outcome = DeployOutcome::unknown;
  std::string detail;  // for people: exit status, last output
};

struct HealthUrlAnswered {
  EventId event;
  bool ok = false;
  std::string detail;
};

// A person asks for a rollback.
struct ManualRequest {
  DeploymentId deployment;
  std::string reason;
  std::string initiated_by;  // a uuid, or empty
};

// Time has passed: what Decider::wake_at() asked for.
struct Tick {};

using Input =
    std::variant<FeedBatch, FeedRebuilt, FeedLost, JournalRead, CommitDone, LeadershipLost, Sampled,
                 SnapshotTaken, DeployStarted, DeployEnded, HealthUrlAnswered, ManualRequest, Tick>;

}  // namespace rollbackd::rules
