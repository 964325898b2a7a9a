#pragma once

#include <optional>
#include <vector>

#include "rules/input.hpp"
#include "rules/output.hpp"
#include "rules/world.hpp"

namespace rollbackd::rules {

// What a rollback wants next: one transaction, and what may be done once it has committed. Without
// entries the actions may be started at once.
struct NextMove {
  std::vector<JournalEntry> entries;
  std::vector<Action> then;
};

// A person's yes to a proposal, with what was found when they said it.
struct Approval {
  Said said;
  Validation validation;
  std::optional<Target> target;
  std::string initiated_by;  // a uuid, or empty
  std::vector<Reason> overrides{};
  bool revert_migrations = false;
};

// Drives one rollback through its eight steps (DESIGN.md section 5). It only says what is next; it
// is told what became of it. While a transaction is on its way it wants nothing.
class Execution {
 public:
  // A new rollback, whose first transaction is opening().
  static Execution decided(Rollback rollback);
  // One that waits for a person first. REQUIRES: it is pending, and expires.
  static Execution proposed(Rollback rollback);
  // One from the journal. `running`: this process still runs its deploy.
  static Execution resumed(Rollback rollback, bool running);

  // REQUIRES: made by decided() or proposed(), and not asked before.
  NextMove opening();
  std::optional<NextMove> next(const World& world, Instant now);
  void committed();

  // It waits for a person; nothing is done before approve(), or before its end.
  [[nodiscard]] bool is_proposal() const {
    return rollback_.status == RollbackStatus::pending && rollback_.asked;
  }
  // A transaction is on its way.
  [[nodiscard]] bool is_committing() const { return committing_; }
  // The transaction that makes a rollback of it. REQUIRES: is_proposal() && !is_committing()
  NextMove approve(Approval approval, Instant now);

  // A person stops it: what next() says as soon as it can is that it ended, aborted.
  // REQUIRES: !is_dispatched()
  void abort(Said said);

  void take(const SnapshotTaken& answer) { snapshot_ = answer; }
  void take(const DeployStarted& answer) { started_ = answer; }
  void take(const DeployEnded& answer) { ended_ = answer; }
  void take(const HealthUrlAnswered& answer);

  [[nodiscard]] const Rollback& rollback() const { return rollback_; }
  // Its claim is made: a dispatch may have happened.
  [[nodiscard]] bool is_dispatched() const { return rollback_.claimed_at.has_value(); }
  // The last transaction has committed: nothing will follow.
  [[nodiscard]] bool is_done() const { return rollback_.is_over() && !committing_; }
  // When next() has to be asked although nothing happened.
  [[nodiscard]] std::optional<Instant> wake_at(const World& world, Instant now) const;

 private:
  explicit Execution(Rollback rollback) : rollback_{std::move(rollback)} {}

  NextMove opening_of_proposal();
  std::optional<NextMove> next_of_proposal(const World& world, Instant now);
  NextMove end_proposal(Reason reason, const std::string& why, Instant now);

  [[nodiscard]] std::optional<StepName> step_at_hand() const;
  [[nodiscard]] Instant earliest_dispatch(const World& world) const;
  [[nodiscard]] NextMove ask_for_snapshot() const;
  NextMove prepare(const World& world, Instant now);
  std::optional<NextMove> dispatch_or_abort(const World& world, Instant now);
  std::optional<NextMove> follow_deploy(const World& world, Instant now);
  NextMove put_in_service(const World& world, Instant now);
  std::optional<NextMove> look_at_health(const World& world, Instant now);
  [[nodiscard]] const Deployment* superseding(const World& world, Instant now) const;
  NextMove give_way(const Deployment& newer, Instant now);
  NextMove deploy_failed(Instant now);
  NextMove abort(Reason reason, const std::string& why, Instant now);
  NextMove finish(Instant now, std::vector<JournalEntry> entries);

  Rollback rollback_;
  bool committing_ = false;
  bool snapshot_asked_ = false;
  bool health_asked_ = false;  // and not answered yet
  std::optional<Second> health_asked_at_;
  std::optional<Said> stopped_;
  std::optional<SnapshotTaken> snapshot_;
  std::optional<DeployStarted> started_;
  std::optional<DeployEnded> ended_;
  std::optional<bool> health_url_;
};

}  // namespace rollbackd::rules
