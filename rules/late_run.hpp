#pragma once

#include <optional>
#include <string>
#include <utility>

#include "rules/execution.hpp"

namespace rollbackd::rules {

// What a rollback dispatched and has given up: the rollback has ended, and the run may still do
// something. It is followed until it has ended or Rollback::followed_until is over, and the rows
// are brought to what it really did. Like an Execution it only says what is next.
class LateRun {
 public:
  explicit LateRun(Rollback rollback) : rollback_{std::move(rollback)} {}

  // `busy`: another rollback of the same deployment is active, and the rows are its own.
  std::optional<NextMove> next(const World& world, bool busy, Instant now);
  void committed() { committing_ = false; }

  void take(const DeployStarted& answer) { started_ = answer; }
  // Only an end of the run is one: that it is not known may be the answer to an earlier question.
  void take(const DeployEnded& answer, Instant now);

  [[nodiscard]] const Rollback& rollback() const { return rollback_; }
  // The answers that are not in the journal for certain yet.
  [[nodiscard]] const std::optional<DeployStarted>& started() const { return started_; }
  [[nodiscard]] const std::optional<DeployEnded>& ended() const { return ended_; }
  [[nodiscard]] bool is_done() const { return !rollback_.late_outcome.empty() && !committing_; }
  // When next() has to be asked although nothing happened.
  [[nodiscard]] std::optional<Instant> wake_at() const;

 private:
  std::optional<NextMove> next_move(const World& world, bool busy, Instant now);
  NextMove settle(const World& world, Instant now);
  NextMove close(const std::string& outcome, const std::string& what);

  Rollback rollback_;
  bool following_ = false;
  bool committing_ = false;
  std::optional<DeployStarted> started_;
  std::optional<DeployEnded> ended_;
  Instant ended_at_{};
};

}  // namespace rollbackd::rules
