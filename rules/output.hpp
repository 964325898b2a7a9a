#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "rules/action.hpp"
#include "rules/reason.hpp"
#include "rules/rollback.hpp"

namespace rollbackd::rules {

// Inserts the rollback, or brings its row up to date.
struct PutRollback {
  Rollback rollback;
  bool is_new = false;
};

// The bad row becomes rolled_back and the target's version gets a pending row of its own. Fails when
// the bad row has another status by now: it would be put back to one that it no longer had.
struct MarkRolledBack {
  DeploymentId deployment;
  DeploymentStatus from = DeploymentStatus::in_progress;
  DeploymentId replacement;
  DeploymentId target;
  Instant at;
};

// Nothing was rolled back: the bad row is as it was, the replacement failed.
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

enum class AlertKind { initiated, completed, failed, aborted, rejected };

std::string_view name_of(AlertKind kind);

// A message to people about a rollback; it waits in the outbox until it is delivered.
struct Alert {
  AlertKind kind = AlertKind::initiated;
  Rollback rollback;
};

using JournalEntry = std::variant<PutRollback, MarkRolledBack, RestoreDeployment, PutInService,
                                  PassProbation, RomanEvent, Alert>;

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

// In this order: journal, act, explain. Actions of `actions` change nothing outside and wait for no
// commit.
struct Output {
  std::vector<Commit> commits;
  std::vector<Action> actions;
  std::vector<Explanation> explanations;
  std::optional<AuditFinding> audit;
};

}  // namespace rollbackd::rules
