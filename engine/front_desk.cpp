#include "engine/front_desk.hpp"

#include <utility>

#include "engine/utf8.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {

void FrontDesk::ask(PersonsRequest request, std::function<void(const rules::Answer&)> on_answer) {
  const rules::RequestId number = ++last_request_;
  waiting_.emplace(number, std::move(on_answer));
  std::visit(
      [&](auto& asked) {
        asked.request = number;
        // Half a character is nothing that PostgreSQL takes: the journal could not be written.
        asked.reason = cut_end(asked.reason, rules::limits::detail_text_max);
        take_(rules::Input{asked});
      },
      request);
}

Desk::Watch FrontDesk::watch(const rules::EventId& event, OnState on_state) {
  auto watch = std::make_shared<OnState>(std::move(on_state));
  // Of a rollback that another daemon drives nothing is told here, by which they would be found.
  auto& watches = watches_[event];
  std::erase_if(watches, [](const auto& weak) { return weak.expired(); });
  watches.push_back(watch);
  if (const auto known = known_.find(event); known != known_.end()) {
    const rules::Rollback rollback = known->second;
    (*watch)(rollback);
  }
  return watch;
}

std::size_t FrontDesk::watches_of(const rules::EventId& event) const {
  const auto found = watches_.find(event);
  return found == watches_.end() ? 0 : found->second.size();
}

void FrontDesk::took(const rules::Input& input) {
  const auto* done = std::get_if<rules::CommitDone>(&input);
  if ((done != nullptr && !done->committed) ||
      std::holds_alternative<rules::LeadershipLost>(input)) {
    give_up();
  }
  if (const auto* journal = std::get_if<rules::JournalRead>(&input)) {
    for (const rules::Rollback& rollback : journal->active) {
      tell(rollback);
    }
  }
}

void FrontDesk::decided(const rules::Output& output) {
  for (const rules::Answer& answer : output.answers) {
    if (answer.kind != rules::Answer::Kind::unavailable && !output.commits.empty()) {
      held_.push_back({output.commits.back().id, answer});
    } else {
      give(answer);
    }
  }
}

void FrontDesk::give(const rules::Answer& answer) {
  const auto waiting = waiting_.find(answer.request);
  if (waiting == waiting_.end()) {
    return;
  }
  const auto on_answer = std::move(waiting->second);
  waiting_.erase(waiting);
  on_answer(answer);
}

void FrontDesk::give_up() {
  for (const Held& held : std::exchange(held_, {})) {
    give({held.answer.request, rules::Answer::Kind::unavailable, {}, {}});
  }
}

void FrontDesk::committed(const rules::Commit& commit, rules::Duration /*waited*/) {
  std::vector<rules::Answer> due;
  std::erase_if(held_, [&](const Held& held) {
    if (held.commit == commit.id) {
      due.push_back(held.answer);
    }
    return held.commit == commit.id;
  });
  for (const rules::Answer& answer : due) {
    give(answer);
  }
  for (const rules::JournalEntry& entry : commit.entries) {
    if (const auto* put = std::get_if<rules::PutRollback>(&entry)) {
      tell(put->rollback);
    }
  }
}

void FrontDesk::tell(const rules::Rollback& rollback) {
  const bool was_over = known_.contains(rollback.id) && known_.at(rollback.id).is_over();
  known_.insert_or_assign(rollback.id, rollback);
  if (rollback.is_over() && !was_over) {
    ended_.push_back(rollback.id);
    if (ended_.size() > ended_max) {
      known_.erase(ended_.front());
      watches_.erase(ended_.front());
      ended_.pop_front();
    }
  }
  const auto found = watches_.find(rollback.id);
  if (found == watches_.end()) {
    return;
  }
  // Who is told may begin or end a watch.
  const auto watches = found->second;
  for (const auto& weak : watches) {
    if (const auto watch = weak.lock()) {
      (*watch)(rollback);
    }
  }
  if (const auto still = watches_.find(rollback.id); still != watches_.end()) {
    std::erase_if(still->second, [](const auto& weak) { return weak.expired(); });
    if (still->second.empty()) {
      watches_.erase(still);
    }
  }
}

}  // namespace rollbackd::engine
