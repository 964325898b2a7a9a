#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/deployment.hpp"
#include "rules/reason.hpp"
#include "rules/trigger_table.hpp"
#include "rules/validation.hpp"
#include "rules/value.hpp"

namespace rollbackd::rules {

enum class RollbackStatus { pending, in_progress, success, failed, aborted };
enum class TriggerType { automatic, manual, constitutional_violation };

// The eight steps of DESIGN.md section 5, in their order.
enum class StepName {
  create_pre_rollback_snapshot,
  identify_target,
  revert_migrations,
  mark_rolled_back,
  trigger_deploy,
  await_deploy,
  verify_health,
  record_result,
};
inline constexpr std::size_t step_count = 8;

enum class StepStatus { pending, in_progress, success, failed, skipped };

std::string_view name_of(RollbackStatus status);
std::string_view name_of(TriggerType type);
std::string_view name_of(StepName name);
std::string_view name_of(StepStatus status);
std::optional<RollbackStatus> rollback_status_named(std::string_view name);
std::optional<TriggerType> trigger_type_named(std::string_view name);
std::optional<StepStatus> step_status_named(std::string_view name);

struct Step {
  StepStatus status = StepStatus::pending;
  std::optional<Instant> started_at;
  std::optional<Instant> completed_at;
  std::string error;
  Fields metadata;

  friend bool operator==(const Step&, const Step&) = default;
};

// What was measured when it was decided: enough to say why without any other table.
struct Evidence {
  std::string trigger;  // the row's name; empty for a person's request
  std::string signal;
  Second window = 0;
  double measured = 0;
  double above = 0;
  double errors_per_minute = 0;
  std::int64_t recent_errors = 0;
  double connection_utilisation = 0;  // percent
  double entropy = 0;
  Second as_of = 0;  // the database's second that the windows were true for

  friend bool operator==(const Evidence&, const Evidence&) = default;
};

struct Target {
  DeploymentId id;
  std::string version;
  std::string git_commit;
  std::optional<Instant> deployed_at;
  bool health_check_passed = false;

  friend bool operator==(const Target&, const Target&) = default;
};

// What a person said about a rollback.
struct Said {
  std::string by;  // a uuid, or another name; empty: not told
  std::string reason;
  Instant at;
  std::string token{};  // the name of the token that it was said with; empty: none

  friend bool operator==(const Said&, const Said&) = default;
};

// One rollback as it stands in ops.rollback_events. It holds all that is needed to go on with it
// after a crash, and nothing else decides how it goes on.
struct Rollback {
  EventId id;
  DeploymentId deployment;
  std::string version;  // of the deployment that is rolled back
  std::string git_commit;
  Service service;
  TriggerType type = TriggerType::automatic;
  std::string reason;             // trigger_reason
  std::string initiated_by;       // a person's uuid or other name; empty: nobody
  std::string token;              // the name of the token that asked for it; empty: none
  std::vector<Reason> overrides;  // what a person set aside: preconditions, paused
  bool revert_migrations = false;
  RollbackStatus status = RollbackStatus::in_progress;
  Instant decided_at;
  Evidence evidence;
  Validation validation;
  std::string executor;
  std::optional<Target> target;
  DeploymentId replacement;
  std::array<Step, step_count> steps;

  // The bad row as it was, to be put back when nothing is dispatched.
  DeploymentStatus old_status = DeploymentStatus::success;
  bool old_health_check_passed = false;

  // A proposal, or what became of one.
  bool asked = false;                 // it waited, or waits, for a person
  std::optional<Instant> expires_at;  // of the waiting
  std::optional<Said> approved;
  std::optional<Said> aborted;

  std::optional<Instant> claimed_at;     // set: a dispatch may have happened
  int claims = 0;                        // so far; each but the last ended in a certain no
  std::optional<Instant> refused_since;  // the first certain no
  std::optional<Instant> not_before;     // of the next claim: a certain no asked to wait
  std::string run;                       // what the executor calls what it dispatched
  std::string run_url;
  std::optional<Instant> followed_until;  // it ended, and the run may still do something
  std::string late_outcome;               // what the run ended with after that
  std::optional<Instant> serving_from;    // the replacement's deployed_at
  std::optional<Instant> completed_at;
  std::optional<Reason> ended_by;  // why it ended as it did; nothing for a plain success

  [[nodiscard]] Step& step(StepName name) { return steps[static_cast<std::size_t>(name)]; }
  [[nodiscard]] const Step& step(StepName name) const {
    return steps[static_cast<std::size_t>(name)];
  }
  [[nodiscard]] bool is_over() const {
    return status != RollbackStatus::pending && status != RollbackStatus::in_progress;
  }

  friend bool operator==(const Rollback&, const Rollback&) = default;
};

}  // namespace rollbackd::rules
