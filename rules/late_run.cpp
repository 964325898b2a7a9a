#include "rules/late_run.hpp"

#include <algorithm>
#include <string>

#include "rules/story.hpp"

namespace rollbackd::rules {
namespace {

std::string word_of(DeployOutcome outcome) {
  return outcome == DeployOutcome::succeeded ? "succeeded"
         : outcome == DeployOutcome::failed  ? "failed"
                                             : "cancelled";
}

}  // namespace

void LateRun::take(const DeployEnded& answer, Instant now) {
  if (answer.outcome == DeployOutcome::succeeded || answer.outcome == DeployOutcome::failed ||
      answer.outcome == DeployOutcome::cancelled) {
    ended_ = answer;
    ended_at_ = now;
  }
}

std::optional<Instant> LateRun::wake_at() const {
  return committing_ || ended_ || !rollback_.late_outcome.empty() ? std::nullopt
                                                                  : rollback_.followed_until;
}

std::optional<NextMove> LateRun::next(const World& world, bool busy, Instant now) {
  if (committing_ || !rollback_.late_outcome.empty()) {
    return std::nullopt;
  }
  auto move = next_move(world, busy, now);
  committing_ = move && !move->entries.empty();
  return move;
}

std::optional<NextMove> LateRun::next_move(const World& world, bool busy, Instant now) {
  if (started_ && !started_->run.empty() && started_->run != rollback_.run) {
    rollback_.run = started_->run;
    rollback_.run_url = started_->url;
    return NextMove{{AmendRollback{rollback_}}, {}};
  }
  if (ended_ && ended_->outcome == DeployOutcome::succeeded) {
    // Whether a newer deployment is current has to be known.
    return busy || !is_current(world, now) ? std::nullopt : std::optional{settle(world, now)};
  }
  if (ended_) {
    return close(word_of(ended_->outcome), "ended: " + ended_->detail);
  }
  if (now >= rollback_.followed_until.value_or(now)) {
    return close("unknown", "is not followed any longer");
  }
  if (!following_) {
    following_ = true;
    return NextMove{{},
                    {FollowDeploy{rollback_.id, rollback_.service, rollback_.executor,
                                  rollback_.run, rollback_.claimed_at.value_or(now), true}}};
  }
  return std::nullopt;
}

// The rows say what is true. The rollback stays failed and the service latched: nobody has watched
// this.
NextMove LateRun::settle(const World& world, Instant now) {
  const Deployment* bad = world.deployments.find(rollback_.deployment);
  const Deployment* current = world.deployments.at(rollback_.service, now, rollback_.replacement);
  const bool has_newer = bad != nullptr && current != nullptr && deployed_before(*bad, *current);
  const Instant settled = ended_at_ + world.book.of(rollback_.service).settle;
  rollback_.serving_from =
      has_newer ? std::min(settled, *current->deployed_at - Duration{1}) : settled;
  rollback_.late_outcome = word_of(DeployOutcome::succeeded);
  const std::string version = rollback_.target ? rollback_.target->version : "its target";
  const std::string text =
      "The deploy of " + version + " succeeded after it had been given up: " + rollback_.version +
      " is rolled back" + (has_newer ? ", and " + current->version + " is current" : "");
  JournalEntry rows =
      SettleLate{rollback_.deployment, rollback_.replacement, *rollback_.serving_from};
  if (rollback_.ended_by == Reason::superseded) {
    rows = PutInService{rollback_.replacement, *rollback_.serving_from};  // the bad one is marked
  }
  return {
      {AmendRollback{rollback_}, std::move(rows), story_of(rollback_, "warning", "warning", text),
       Alert{AlertKind::late_success, rollback_, text}},
      {}};
}

NextMove LateRun::close(const std::string& outcome, const std::string& what) {
  rollback_.late_outcome = outcome;
  return {{AmendRollback{rollback_},
           story_of(rollback_, "warning", "info", "The run that had been given up " + what)},
          {}};
}

}  // namespace rollbackd::rules
