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

// One look of the feed at the database: the first is 1, and each sees all that those before it saw.
using Look = std::uint64_t;

struct SecondCount {
  Second at = 0;
  std::uint64_t n = 0;

  friend bool operator==(const SecondCount&, const SecondCount&) = default;
};

// Events of one attribution: no deployment began or ended between any two of them.
struct EventGroup {
  std::optional<DeploymentId> deployment;  // as the rows say; nothing: by service and time
  Service service;
  Instant at;  // the earliest of them, by which all are attributed
  std::vector<SecondCount> seconds;  // at least one, ascending

  [[nodiscard]] std::uint64_t count() const;
};

// What one look has more than the one before.
struct FeedBatch {
  Instant as_of;  // the database's time of the look's snapshot
  Look look = 0;
  std::vector<Deployment> deployments;
  std::vector<EventGroup> events;
  bool audited = false;  // the counts after this batch will be held against an AuditCounted
};

// The whole state of the feed in one snapshot. Windows are complete from here on.
struct FeedRebuilt {
  Instant as_of;
  std::string why;
  std::vector<Deployment> deployments;
  std::vector<EventGroup> events;
};

// All events of a service that `look` saw, in answer to RebuildWindows.
struct WindowsRecounted {
  Service service;
  std::uint64_t number = 0;  // of the RebuildWindows
  Look look = 0;
  std::vector<EventGroup> events;
};

// Rows of one attribution in the longest window, counted once more.
struct AuditGroup {
  std::optional<DeploymentId> deployment;
  Service service;
  Instant at;                 // the earliest
  std::uint64_t seen = 0;     // that the look could see
  std::uint64_t odd = 0;      // of these, inserted by another transaction than their xid says
  std::uint64_t foreign = 0;  // besides: without an xid, or with one that nobody has been given
};

// The whole table as `look` saw it, to hold memory against.
struct AuditCounted {
  Look look = 0;
  std::vector<AuditGroup> groups;
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
    std::variant<FeedBatch, FeedRebuilt, WindowsRecounted, AuditCounted, FeedLost, JournalRead, CommitDone, LeadershipLost, Sampled,
                 SnapshotTaken, DeployStarted, DeployEnded, HealthUrlAnswered, ManualRequest, Tick>;

}  // namespace rollbackd::rules
