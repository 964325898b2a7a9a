#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "rules/action.hpp"
#include "rules/deployment.hpp"
#include "rules/ids.hpp"
#include "rules/policy.hpp"
#include "rules/reason.hpp"
#include "rules/response_times.hpp"
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
  Instant at;                        // the earliest of them, by which all are attributed
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

// Durations of one attribution, as in an EventGroup.
struct DurationGroup {
  std::optional<DeploymentId> deployment;
  Service service;
  Instant at;  // the earliest of them
  std::vector<DurationCell> cells;
};

// Response times that are new since the one before; or, `whole`, all of the windows.
struct ResponseTimesRead {
  Instant as_of;
  bool whole = false;
  std::uint64_t recount = 0;  // the highest RecountResponseTimes that the last whole one answers
  std::vector<DurationGroup> groups;
  std::uint64_t not_sent = 0;  // durations left out because there were too many cells
};

// Response times have a gap from here until the next whole ResponseTimesRead.
struct ResponseTimesLost {};

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

// An automatic rollback that got as far as its claim: it counts for the cap.
struct Claim {
  EventId event;
  std::string environment;
  Instant at;
};

// The journal as it is in the database: at the start, and whenever a write to it failed.
struct JournalRead {
  std::vector<Rollback> active;
  std::vector<ServiceHistory> histories;
  std::vector<Claim> claims{};       // of the last hour
  std::vector<Rollback> followed{};  // ended, and what they dispatched may still turn up
  std::vector<EventId> running{};    // whose deploy this very process still runs
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
  std::string run{};  // its name at the executor, by which it can be followed; empty: it has none
  std::string url{};  // for people
};

enum class DeployOutcome {
  succeeded,
  failed,
  cancelled,
  timed_out,    // past its deadline, and may still be running
  not_started,  // certainly nothing was dispatched, and asking again would change nothing
  refused,      // certainly nothing was dispatched; it may be asked again
  unknown,      // it may or may not have been dispatched
};

struct DeployEnded {
  EventId event;
  DeployOutcome outcome = DeployOutcome::unknown;
  std::string detail;       // for people: exit status, last output, what to fix
  Duration retry_after{0};  // of a refused one
  std::optional<Reason>
      forbade{};  // of a not_started one: what was found right before the dispatch
};

struct MigrationsReverted {
  EventId event;
  std::vector<std::string> reverted;
  std::string failed;  // the migration that failed and stopped the rest; empty: none
  std::string error;
};

// The emergency stop, one row of ops.control.
struct Pause {
  bool on = false;
  std::string by;
  std::string reason;
  std::optional<Instant> since;

  friend bool operator==(const Pause&, const Pause&) = default;
};

// Too many rollbacks opened it; a person closes it.
struct Breaker {
  std::string environment;
  std::string reason;
  Instant opened_at;

  friend bool operator==(const Breaker&, const Breaker&) = default;
};

// A row of ops.migration_history that is not reverted.
struct Migration {
  std::string name;
  std::optional<DeploymentId> deployment;
  std::optional<Instant> applied_at;
  bool backward_compatible = false;
  bool has_script = false;
  bool revert_failed = false;

  friend bool operator==(const Migration&, const Migration&) = default;
};

// An alert that an Alertmanager has told us fires for a service.
struct FiringAlert {
  Service service;
  std::string name;
  Instant since;

  friend bool operator==(const FiringAlert&, const FiringAlert&) = default;
};

// What can forbid to act, in one snapshot, oldest migration first, and the alerts that came in.
// Comes every limits::control_every, and in answer to ReadControl.
struct ControlRead {
  std::uint64_t number = 0;  // of the last ReadControl that it answers
  Pause pause;
  std::vector<Breaker> breakers;  // open ones
  std::vector<Migration> migrations;
  bool migrations_cut = false;  // there are more than limits::migrations_max
  std::vector<FiringAlert> alerts{};
};

struct HealthUrlAnswered {
  EventId event;
  bool ok = false;
  std::string detail;
};

// Names a person's request within this process; its Answer carries it. 0: nobody waits for one.
using RequestId = std::uint64_t;

// Where a request came from.
struct Sender {
  std::string token{};        // the name of its token; empty: it had none
  std::string key{};          // by which the sender knows a repetition; empty: none was given
  std::string fingerprint{};  // of all that was asked for: a repetition has the same

  friend bool operator==(const Sender&, const Sender&) = default;
};

// A person asks for a rollback.
struct ManualRequest {
  DeploymentId deployment;
  std::string reason;
  std::string initiated_by;  // a uuid or another name; empty: nobody
  RequestId request = 0;
  bool dry_run = false;  // only the answer is wanted
  bool revert_migrations = false;
  std::vector<Reason> overrides{};  // only of who may
  Sender sender{};
};

// A person turns a proposal into the rollback.
struct ApproveRequest {
  RequestId request = 0;
  EventId event;
  std::string reason;
  std::string by;
  Sender sender{};
};

// A person stops a rollback before its dispatch, or a proposal.
struct AbortRequest {
  RequestId request = 0;
  EventId event;
  std::string reason;
  std::string by;
  Sender sender{};
};

// A person turns the emergency stop on or off.
struct PauseRequest {
  RequestId request = 0;
  bool on = true;
  std::string reason;
  std::string by;
  Sender sender{};
};

struct CloseBreakerRequest {
  RequestId request = 0;
  std::string environment;
  std::string reason;
  std::string by;
  Sender sender{};
};

// The operator has changed the configuration. REQUIRES: no window lengths but those that there were
// at the start; others would have to be counted first.
struct PoliciesChanged {
  PolicyBook policies;
};

// Time has passed: what Decider::wake_at() asked for.
struct Tick {};

using Input =
    std::variant<FeedBatch, FeedRebuilt, WindowsRecounted, AuditCounted, FeedLost, JournalRead,
                 CommitDone, LeadershipLost, Sampled, SnapshotTaken, DeployStarted, DeployEnded,
                 HealthUrlAnswered, ManualRequest, Tick, ResponseTimesRead, ResponseTimesLost,
                 MigrationsReverted, ControlRead, ApproveRequest, AbortRequest, PauseRequest,
                 CloseBreakerRequest, PoliciesChanged>;

}  // namespace rollbackd::rules
