#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "engine/ports.hpp"

namespace rollbackd::engine {

// Takes people's requests to the loop and brings back what became of them: it sees the loop's
// answers and commits as an observer does. What was accepted, and what was refused and is written
// down, is answered when it is committed, and with `unavailable` when it may not have been. Reactor
// thread only.
class FrontDesk final : public Desk, public Observer {
 public:
  // Ended rollbacks that are still remembered, for who asks right after the end.
  static constexpr std::size_t ended_max = 256;

  // `take`: hands an input to the loop, at once.
  explicit FrontDesk(std::function<void(const rules::Input&)> take) : take_{std::move(take)} {}

  void ask(PersonsRequest request, std::function<void(const rules::Answer&)> on_answer) override;
  [[nodiscard]] Watch watch(const rules::EventId& event, OnState on_state) override;

  // How many watches of this rollback are kept, ended ones among them.
  [[nodiscard]] std::size_t watches_of(const rules::EventId& event) const;

  void took(const rules::Input& input) override;
  void decided(const rules::Output& output) override;
  void committed(const rules::Commit& commit, rules::Duration waited) override;

 private:
  struct Held {
    rules::CommitId commit = 0;
    rules::Answer answer;
  };

  void give(const rules::Answer& answer);
  // Nobody knows any more what was committed of what is waited for.
  void give_up();
  void tell(const rules::Rollback& rollback);

  std::function<void(const rules::Input&)> take_;
  rules::RequestId last_request_ = 0;
  std::map<rules::RequestId, std::function<void(const rules::Answer&)>> waiting_;
  std::vector<Held> held_;
  std::map<rules::EventId, rules::Rollback> known_;
  std::list<rules::EventId> ended_;  // oldest first
  std::map<rules::EventId, std::vector<std::weak_ptr<OnState>>> watches_;
};

}  // namespace rollbackd::engine
