#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "rules/input.hpp"
#include "rules/output.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {

// One row of an error log that counts.
struct SimEvent {
  rules::Instant timestamp;
  rules::Service service;
  std::optional<rules::DeploymentId> deployment;
};

// The tables in memory, with what their triggers and constraints do, and the feed's looks at them.
// Knows no daemon, and no time but the one it is told.
class SimDatabase {
 public:
  // What people and programs do.
  rules::DeploymentId deploy(rules::Instant now, const rules::Service& service,
                             const std::string& version, const std::string& commit,
                             rules::DeploymentStatus status);
  // As ops.rollbackd_before_deployment() has it: during a rollback, and after one, nothing changes.
  void set_status(rules::Instant now, const rules::DeploymentId& id,
                  rules::DeploymentStatus status);
  void log_error(const SimEvent& event) { events_.push_back(event); }
  void keep_snapshot(const rules::SnapshotTaken& taken, std::optional<double> utilisation,
                     std::optional<bool> previous_unhealthy);
  // As plain SQL would do it.
  void set_pause(const rules::Pause& pause) { pause_ = pause; }

  // The journal. Whether the transaction can be committed: the constraints hold.
  [[nodiscard]] bool accepts(const rules::Commit& commit) const;
  void apply(const rules::JournalEntry& entry, rules::Instant now);
  [[nodiscard]] rules::JournalRead journal_read(rules::Instant now) const;

  // The feed. What is new since the last look; or everything; or, of what the looks so far have
  // seen, all of one service, or all of the longest window of seconds that ends with second t.
  rules::FeedBatch difference(rules::Instant now);
  rules::FeedRebuilt whole(rules::Instant now);
  [[nodiscard]] rules::WindowsRecounted recount(const rules::RebuildWindows& wanted) const;
  [[nodiscard]] rules::AuditCounted audit(rules::Second t, rules::Second longest) const;
  [[nodiscard]] bool is_all_told() const {
    return rows_changed_.empty() && events_told_ == events_.size();
  }

  // What can be looked at.
  [[nodiscard]] const std::map<rules::DeploymentId, rules::Deployment>& deployments() const {
    return deployments_;
  }
  [[nodiscard]] const std::map<rules::EventId, rules::Rollback>& rollbacks() const {
    return rollbacks_;
  }
  [[nodiscard]] const std::vector<SimEvent>& events() const { return events_; }
  [[nodiscard]] const rules::Pause& pause() const { return pause_; }
  [[nodiscard]] const std::vector<rules::Breaker>& breakers() const { return breakers_; }
  // Claimed before a person closed the breaker of its environment: it does not count for the cap.
  [[nodiscard]] bool is_forgiven(const rules::Rollback& rollback) const;
  [[nodiscard]] const rules::Rollback* active_of(const rules::Service& service) const;

  // The definitions, by looking at every row, as SQL would: the current deployment of a moment,
  // whom an event belongs to, where to go back to, and the counts of all deployments at second t.
  [[nodiscard]] const rules::Deployment* at(const rules::Service& service,
                                            rules::Instant moment) const;
  [[nodiscard]] const rules::Deployment* attributed(const SimEvent& event) const;
  [[nodiscard]] const rules::Deployment* target_of(const rules::Deployment& bad) const;
  [[nodiscard]] std::map<rules::DeploymentId, std::uint64_t> recount(rules::Second t,
                                                                     rules::Second window) const;

 private:
  rules::Deployment& changed(const rules::DeploymentId& id);
  void serve(const rules::DeploymentId& id, rules::Instant deployed_at, rules::Instant now);
  [[nodiscard]] bool was_dispatched(const rules::DeploymentId& id) const;
  void mark(const rules::MarkRolledBack& mark, rules::Instant now);
  void restore(const rules::RestoreDeployment& restore, rules::Instant now);
  void apply_control(const rules::JournalEntry& entry);
  [[nodiscard]] bool belongs_to(const SimEvent& event, const rules::Service& service) const;

  std::map<rules::DeploymentId, rules::Deployment> deployments_;
  std::map<rules::EventId, rules::Rollback> rollbacks_;
  std::vector<rules::EventId> in_order_;  // of their rows
  rules::Pause pause_;
  std::vector<rules::Breaker> breakers_;
  std::map<std::string, rules::Instant> breakers_closed_;
  std::vector<SimEvent> events_;
  std::size_t events_told_ = 0;
  rules::Look look_ = 0;
  std::set<rules::DeploymentId> rows_changed_;
  std::int64_t last_row_ = 0;
};

}  // namespace rollbackd::tests
