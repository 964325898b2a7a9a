#pragma once

#include <string>
#include <utility>

#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {

inline rules::Policy policy_of_executor(const std::string& executor) {
  rules::Policy policy;
  policy.executor = executor;
  return policy;
}

// A bench with one rollback of v2 on it, brought as far as the test says.
class RollbackBench : public Bench {
 public:
  explicit RollbackBench(rules::Policy policy = policy_of_executor("github"))
      : Bench{std::move(policy)} {}

  // Decided, by its errors or by a person.
  void decide(bool manual = false, bool revert_migrations = false) {
    if (manual) {
      rules::ManualRequest request{numbered_id(2), "looks wrong", ""};
      request.revert_migrations = revert_migrations;
      take(request);
    } else {
      errors(6);
    }
    event = rollback()->id;
  }
  void take_snapshot() {
    take(rules::SnapshotTaken{numbered_id(2), rules::SnapshotType::pre_rollback, "an id", {}});
    feed_back_rows();
  }
  // As far as its first claim, two seconds after noon.
  void claim(bool manual = false) {
    decide(manual);
    take_snapshot();
    pass(2);
  }
  void start(const std::string& run = "run-1") {
    take(rules::DeployStarted{event, "accepted", run, run.empty() ? "" : "https://runs/" + run});
  }
  void end(rules::DeployOutcome outcome, const std::string& detail = "what the executor says") {
    take(rules::DeployEnded{event, outcome, detail, rules::Duration{0}, {}});
    feed_back_rows();
  }
  void refuse(rules::Duration retry_after) {
    take(rules::DeployEnded{event, rules::DeployOutcome::refused, "429: wait", retry_after, {}});
    feed_back_rows();
  }

  // The last row written of it; a decision about a later one does not count.
  [[nodiscard]] rules::Rollback row_now() const {
    rules::Rollback found;
    for (const rules::JournalEntry& entry : entries) {
      if (const auto* put = std::get_if<rules::PutRollback>(&entry)) {
        found = put->rollback.id == event ? put->rollback : found;
      } else if (const auto* amended = std::get_if<rules::AmendRollback>(&entry)) {
        found = amended->rollback.id == event ? amended->rollback : found;
      }
    }
    return found;
  }
  [[nodiscard]] const rules::Deployment& replacement() const {
    return *world().deployments.find(row_now().replacement);
  }
  [[nodiscard]] bool is_restored() const {
    return row_of(world(), 2).status == rules::DeploymentStatus::in_progress &&
           row_of(world(), 2).health_check_passed &&
           replacement().status == rules::DeploymentStatus::failed;
  }
  [[nodiscard]] bool is_latched() const { return world().services.at(app).latch.has_value(); }

  rules::EventId event;
};

}  // namespace rollbackd::tests
