#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "engine/actions/executor.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Takes each deploy to the executor that its rollback names, through the gate: what is paused, or
// decided by a daemon that leads no more, is not dispatched. Reactor thread only.
class Executors {
 public:
  // Each is kept by reference and outlives this.
  Executors(std::vector<Executor*> executors, Gate& gate, Inbox& inbox, Log& log);

  void deploy(const rules::Deploy& deploy);
  void follow(const rules::FollowDeploy& wanted);
  void cancel(const rules::CancelDeploy& wanted);

  // From now on nothing new is dispatched; what runs goes on.
  void stop_starting() { stopping_ = true; }

  // Those at the gate included.
  [[nodiscard]] std::vector<rules::EventId> running() const;
  // How many of these a stop has to wait for.
  [[nodiscard]] std::size_t lost_with_us() const;

 private:
  [[nodiscard]] Executor* executor_named(const std::string& name) const;
  void passed(const rules::EventId& event, const GateAnswer& answer);
  void answer(const rules::EventId& event, rules::DeployOutcome outcome, std::string detail);

  std::vector<Executor*> executors_;
  Gate& gate_;
  Inbox& inbox_;
  Log& log_;
  bool stopping_ = false;
  std::map<rules::EventId, rules::Deploy> at_gate_;
};

}  // namespace rollbackd::engine
