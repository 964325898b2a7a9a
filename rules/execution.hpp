#pragma once

#include <optional>
#include <string>
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
  std::string initiated_by;  // a uuid or another name; empty: nobody
  std::vector<Reason> overrides{};
  bool revert_migrations = false;
  std::string token{};  // the name of that which asked for a rollback; empty: none
};

// Drives one rollback through its eight steps (DESIGN.md section 5). It only says what is next; it
// is told what became of it. While a transaction is on its way it wants nothing.
class Execution {
 public:
  // A new rollback, whose first transaction is opening().
  static Execution decided(Rollback rollback);
  // One that waits for a person first. REQUIRES: it is pending, and expires.
  static Execution proposed(Rollback rollback);
  // One from the journal. `running`: this process still runs its deploy, and its answers will come.
  static Execution resumed(Rollback rollback, bool running);

  // REQUIRES: made by decided() or proposed(), and not asked before.
  NextMove opening();
  // Numbers the ReadControl that it may ask for by World::controls_asked.
  std::optional<NextMove> next(World& world, Instant now);
  void committed();

  // It waits for a person; nothing is done before approve(), or before its end.
  [[nodiscard]] bool is_proposal() const {
    return rollback_.status == RollbackStatus::pending && rollback_.asked;
  }
  // A transaction is on its way.
  [[nodiscard]] bool is_committing() const { return committing_; }
  // The transaction that makes a rollback of it. REQUIRES: is_proposal() && !is_committing()
  NextMove approve(Approval approval, Instant now);

  // A person stops it: what next() says as soon as it can is that it ended, aborted, or while
  // migrations are being reverted that it is to end. REQUIRES: !is_dispatched()
  void abort(Said said);

  void take(const SnapshotTaken& answer) { snapshot_ = answer; }
  void take(const ControlRead& control);
  void take(const MigrationsReverted& answer) { reverted_ = answer; }
  void take(const DeployStarted& answer) { started_ = answer; }
  void take(const DeployEnded& answer) { ended_ = answer; }
  void take(const HealthUrlAnswered& answer);

  [[nodiscard]] const Rollback& rollback() const { return rollback_; }
  // Its claim is made: a dispatch may have happened.
  [[nodiscard]] bool is_dispatched() const { return rollback_.claimed_at.has_value(); }
  // Whether another rollback of the deployment had been dispatched before its first claim; nothing:
  // this process has made none.
  [[nodiscard]] std::optional<bool> was_dispatched_before() const { return dispatched_before_; }
  // The answers of the executor that are not in the journal for certain yet.
  [[nodiscard]] const std::optional<DeployStarted>& started() const { return started_; }
  [[nodiscard]] const std::optional<DeployEnded>& ended() const { return ended_; }
  // The last transaction has committed: nothing will follow.
  [[nodiscard]] bool is_done() const { return rollback_.is_over() && !committing_; }
  // When next() has to be asked although nothing happened.
  [[nodiscard]] std::optional<Instant> wake_at(const World& world, Instant now) const;

 private:
  // What forbids to go on right before something is done that cannot be taken back.
  struct Objection {
    Reason reason;
    std::string why;
  };

  explicit Execution(Rollback rollback) : rollback_{std::move(rollback)} {}

  NextMove opening_of_proposal();
  std::optional<NextMove> next_of_proposal(const World& world, Instant now);
  NextMove end_proposal(Reason reason, const std::string& why, Instant now);

  NextMove stop(Instant now);
  std::optional<NextMove> next_of_step(World& world, Instant now, bool looked);
  [[nodiscard]] std::optional<StepName> step_at_hand() const;

  // Steps 1 to 4: all that can be done without touching anything outside the database.
  [[nodiscard]] NextMove ask_for_snapshot() const;
  std::optional<NextMove> prepare(World& world, Instant now, bool looked);
  std::optional<NextMove> revert_migrations(World& world, Instant now, bool looked);
  NextMove start_reverting(const World& world, Instant now, std::vector<JournalEntry> stories);
  NextMove end_reverting(Instant now);
  NextMove mark(const World& world, Instant now, std::vector<JournalEntry> stories);
  [[nodiscard]] const Deployment* target(const World& world) const;

  // Step 5, until its claim.
  [[nodiscard]] bool has_overridden(Reason reason) const;
  [[nodiscard]] bool is_unattended() const;
  [[nodiscard]] Instant earliest_dispatch(const World& world) const;
  [[nodiscard]] std::optional<Instant> patience_ends() const;
  NextMove ask_for_control(World& world);
  [[nodiscard]] std::optional<Objection> objection(const World& world, Instant now) const;
  [[nodiscard]] std::optional<Objection> objection_to_dispatch(const World& world,
                                                               Instant now) const;
  std::optional<NextMove> dispatch(World& world, Instant now, bool looked);
  NextMove claim(const World& world, Instant now);
  NextMove claim_again_later(Instant now);
  NextMove lose_patience(Instant now);

  // Steps 5 and 6, after it.
  std::optional<NextMove> follow_deploy(const World& world, Instant now);
  NextMove note_started(Instant now);
  NextMove note_outcome(const World& world, Instant now);
  NextMove put_in_service(const World& world, Instant now);
  NextMove deploy_failed(const World& world, Instant now);
  [[nodiscard]] const Deployment* superseding(const World& world, Instant now) const;
  NextMove give_way(const Deployment& newer, Instant now);

  // Steps 7 and 8.
  std::optional<NextMove> look_at_health(const World& world, Instant now);
  NextMove abort_because(Reason reason, const std::string& why, Instant now);
  NextMove finish(Instant now, std::vector<JournalEntry> entries);

  Rollback rollback_;
  bool committing_ = false;
  bool snapshot_asked_ = false;
  bool reverting_ = false;    // this process has asked for it, and there is no answer yet
  bool dispatching_ = false;  // the answers are of a dispatch of this process
  bool following_ = false;    // they will come without being asked for
  bool cancelled_ = false;
  bool health_asked_ = false;  // and not answered yet
  std::optional<Second> health_asked_at_;
  std::uint64_t control_asked_ = 0;  // the number of what is waited for; 0: nothing
  bool control_read_ = false;        // it is in, and good for this moment
  std::optional<bool> dispatched_before_;
  std::optional<Said> stopped_;
  std::optional<SnapshotTaken> snapshot_;
  std::optional<MigrationsReverted> reverted_;
  std::optional<DeployStarted> started_;
  std::optional<DeployEnded> ended_;
  std::optional<bool> health_url_;
};

}  // namespace rollbackd::rules
