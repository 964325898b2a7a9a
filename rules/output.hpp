#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "rules/action.hpp"
#include "rules/input.hpp"
#include "rules/reason.hpp"
#include "rules/rollback.hpp"

namespace rollbackd::rules {

// Inserts the rollback, or brings its row up to date.
struct PutRollback {
  Rollback rollback;
  bool is_new = false;
};

// The bad row becomes rolled_back and the target's version gets a pending row of its own. Fails
// when the bad row has another status by now: it would be put back to one that it no longer had.
struct MarkRolledBack {
  DeploymentId deployment;
  DeploymentStatus from = DeploymentStatus::in_progress;
  DeploymentId replacement;
  DeploymentId target;
  Instant at;
};

// The replacement failed. Nothing was rolled back: the bad row is as it was. Or, with the status
// rolled_back: another deployment has taken over, and the bad row stays what it is.
struct RestoreDeployment {
  DeploymentId deployment;
  DeploymentStatus status = DeploymentStatus::success;
  bool health_check_passed = false;
  DeploymentId replacement;
};

// The replacement serves, from this moment on.
struct PutInService {
  DeploymentId replacement;
  Instant deployed_at;
};

// A rollback that ended failed is told what became of its run after all.
struct AmendRollback {
  Rollback rollback;
};

// The run of a rollback that had been given up succeeded late: the bad row is rolled back, the
// replacement serves. Rows that another rollback or a person has brought further stay as
// they are.
struct SettleLate {
  DeploymentId deployment;
  DeploymentId replacement;
  Instant deployed_at;
};

struct OpenBreaker {
  std::string environment;
  std::string reason;
  Instant at;
};

struct CloseBreaker {
  std::string environment;
  Said said;
};

struct SetPause {
  Pause pause;
};

// A request was carried out, or refused in the journal: its repetition is known by the sender's
// key. REQUIRES: the sender has a key.
struct KeepRequest {
  Sender sender;
  std::optional<EventId> event;  // the rollback that it is about; nothing: none
};

struct PassProbation {
  DeploymentId deployment;
  Fields details;  // health_check_details
};

// A row of ops.roman_events; the log line and the counter of the same name come from it, too.
struct RomanEvent {
  std::string event_type;  // DESIGN.md section 5 lists them
  std::string severity;    // info, warning or error
  std::string description;
  std::optional<DeploymentId> deployment;
  Service service;
  Fields metadata;
};

enum class AlertKind {
  initiated,
  completed,
  failed,
  aborted,
  rejected,
  proposed,
  held,
  breaker_opened,
  late_success,
  redeployed,  // a version that was rolled back before
  paused,
};

std::string_view name_of(AlertKind kind);
std::vector<AlertKind> all_alert_kinds();

// A message to people about a rollback; it waits in the outbox until it is delivered.
struct Alert {
  AlertKind kind = AlertKind::initiated;
  Rollback rollback;   // of a hold, breaker or redeployment: as it would be, with what is known
  std::string text{};  // what there is to say beyond the rollback
};

using JournalEntry = std::variant<PutRollback, MarkRolledBack, RestoreDeployment, PutInService,
                                  PassProbation, RomanEvent, Alert, AmendRollback, SettleLate,
                                  OpenBreaker, CloseBreaker, SetPause, KeepRequest>;

// One transaction of the journal, all or nothing, and what may be done once it has committed.
struct Commit {
  CommitId id = 0;
  std::vector<JournalEntry> entries;
  std::vector<Action> then;
};

// Why something was decided, or was not: for the log and the counters. What is journaled explains
// itself and is not repeated here.
struct Explanation {
  Service service;
  DeploymentId deployment;
  Reason reason = Reason::rollback;
  std::string trigger;
  double measured = 0;
  double above = 0;
};

// What an audit found. Windows that differed are counted anew.
struct AuditFinding {
  std::uint64_t foreign_rows = 0;  // with a missing or foreign xid, which no look finds
  std::uint64_t removed = 0;       // events that memory had and the table has no more
  std::uint64_t drift = 0;         // differences that neither of these explains; must be 0
};

// Response times that count nowhere.
struct ResponseTimesFinding {
  std::uint64_t unattributed = 0;  // belong to no known deployment
  std::uint64_t dropped = 0;       // there was no room for them
};

// A row of ops.heartbeats that went the whole way: written, seen, taken in like an event, judged.
struct Heartbeat {
  Instant written_at;
  Instant judged_at;
};

// What became of a person's request.
struct Answer {
  enum class Kind {
    accepted,  // it is decided; the rest is the rollback's story
    dry_run,   // it would be
    rejected,  // by laws or preconditions
    no_target,
    under_way,  // `rollback` is the active one
    paused,
    unknown_deployment,
    unknown_event,  // no active rollback or proposal has this id
    not_waiting,    // the rollback is no proposal
    dispatched,     // too late to abort
    no_breaker,
    unavailable,  // the journal is not known: try again
  };
  RequestId request = 0;
  Kind kind = Kind::accepted;
  std::optional<Rollback> rollback;
  Pause pause;
};

// In this order: journal, act, explain. Actions of `actions` change nothing outside and wait for no
// commit.
struct Output {
  std::vector<Commit> commits;
  std::vector<Action> actions;
  std::vector<Explanation> explanations;
  std::vector<Answer> answers;  // once the commits of this output are handed over
  std::optional<AuditFinding> audit;
  std::optional<ResponseTimesFinding> response_times;
  std::optional<Heartbeat> heartbeat;
};

}  // namespace rollbackd::rules
