#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "engine/steady_time.hpp"
#include "rules/action.hpp"

namespace rollbackd::engine {

// One way to deploy. Everything is answered by DeployStarted and DeployEnded, posted to the Inbox.
// Reactor thread only.
class Executor {
 public:
  virtual ~Executor() = default;

  // As rollback.executor and the plan of a rollback name it.
  [[nodiscard]] virtual std::string_view name() const = 0;

  // What has not left by then certainly does not: it is answered `refused`. What forbids a dispatch
  // was last read before.
  virtual void deploy(const rules::Deploy& deploy, SteadyTime leave_by) = 0;
  // Dispatches nothing. What cannot be found again is answered `unknown` at once.
  virtual void follow(const rules::FollowDeploy& wanted) = 0;
  virtual void cancel(const rules::CancelDeploy& wanted) = 0;

  // The rollbacks of which this process will still say how their deploy ended.
  [[nodiscard]] virtual std::vector<rules::EventId> running() const = 0;
  // How many of these nobody could find again after the end of this process.
  [[nodiscard]] virtual std::size_t lost_with_us() const = 0;
};

}  // namespace rollbackd::engine
