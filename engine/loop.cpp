#include "engine/loop.hpp"

#include <algorithm>
#include <utility>

namespace rollbackd::engine {

Loop::Loop(rules::PolicyBook policies, const Clock& clock, Journal& journal, Actions& actions,
           Observer& observer)
    : decider_{std::move(policies)},
      clock_{clock},
      journal_{journal},
      actions_{actions},
      observer_{observer} {}

// The rules are promised a time that never goes back, whatever the database's clock does.
rules::Instant Loop::now() {
  last_ = std::max(last_, clock_.now());
  return last_;
}

void Loop::take(const rules::Input& input) {
  if (const auto* rebuilt = std::get_if<rules::FeedRebuilt>(&input)) {
    last_ = std::min(last_, rebuilt->as_of);  // except that a clock that was set back is followed
  }
  const rules::Instant moment = now();
  observer_.took(input);
  if (const auto* done = std::get_if<rules::CommitDone>(&input)) {
    finish(*done, moment);
  }
  if (std::holds_alternative<rules::LeadershipLost>(input)) {
    pending_.clear();
  }
  if (const auto* journal = std::get_if<rules::JournalRead>(&input)) {
    rules::JournalRead with_running = *journal;
    with_running.running = actions_.running();
    carry_out(decider_.step(moment, with_running), moment);
    return;
  }
  carry_out(decider_.step(moment, input), moment);
}

void Loop::finish(const rules::CommitDone& done, rules::Instant now) {
  const auto found = pending_.find(done.id);
  if (found == pending_.end()) {
    return;
  }
  if (!done.committed) {
    // What was sent after it was decided on the same belief, and is dropped with it.
    pending_.clear();
    journal_.read();
    return;
  }
  const Pending pending = std::move(found->second);
  pending_.erase(found);
  observer_.committed(pending.commit, now - pending.handed_over);
  for (const rules::Action& action : pending.commit.then) {
    actions_.start(action);
  }
}

void Loop::carry_out(const rules::Output& output, rules::Instant now) {
  for (const rules::Commit& commit : output.commits) {
    pending_.emplace(commit.id, Pending{commit, now});
    journal_.write(commit);
  }
  for (const rules::Action& action : output.actions) {
    actions_.start(action);
  }
  observer_.decided(output);
}

std::optional<rules::CheckView> Loop::check(const rules::DeploymentId& id) const {
  return decider_.check(id);
}

std::vector<rules::ServiceView> Loop::services() const { return decider_.services(); }

}  // namespace rollbackd::engine
