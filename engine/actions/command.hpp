#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/asio.hpp"

#include "engine/actions/child.hpp"
#include "engine/actions/executor.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

struct CommandSettings {
  // [0] is the program. In the others {event_id} {deployment_id} {environment} {service} {version}
  // {git_commit} are replaced; anything else in braces stays as it is. Empty: no command is
  // configured.
  std::vector<std::string> argv;
  rules::Duration timeout = rules::minutes{10};
  rules::Duration grace = rules::seconds{5};  // between SIGTERM and SIGKILL

  bool pidfd = true;  // false only where tests want the way of systems without it
};

// The command executor: a deploy is one process, run with a deadline and without a shell. Reactor
// thread only. Posts DeployStarted when the program runs, then DeployEnded, or DeployEnded
// (not_started) alone.
//
// The process sees PATH, HOME, LANG and ROLLBACKD_EVENT_ID, _DEPLOYMENT_ID (the replacement's),
// _ENVIRONMENT, _SERVICE, _VERSION, _GIT_COMMIT, and nothing else of the daemon: no secret, no
// descriptor. What it leaves running in the background is not touched after an exit in time.
class Command final : public Executor {
 public:
  using SettingsOf = std::function<CommandSettings(const rules::Service&)>;

  // A deploy takes a few megabytes and a process or two; this many at once is a mistake somewhere.
  static constexpr std::size_t children_max = 32;

  Command(asio::io_context& reactor, Inbox& inbox, Log& log, CommandSettings settings);
  // Settings of each service, asked at each deploy.
  Command(asio::io_context& reactor, Inbox& inbox, Log& log, SettingsOf settings_of);
  // Leaves what still runs to itself, as a crash would: its outcome is unknown to the successor.
  ~Command() override;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  [[nodiscard]] std::string_view name() const override { return "command"; }
  void deploy(const rules::Deploy& deploy, SteadyTime leave_by = SteadyTime::max()) override;
  // What an earlier process started cannot be found again.
  void follow(const rules::FollowDeploy& wanted) override;
  // A command that runs is left to its end: half a deploy is worse than a late one.
  void cancel(const rules::CancelDeploy& /*wanted*/) override {}

  [[nodiscard]] std::vector<rules::EventId> running() const override;
  [[nodiscard]] std::size_t lost_with_us() const override { return children_.size(); }

 private:
  void refuse(const rules::Deploy& deploy, const Error& why);
  void ended(const rules::EventId& event, const ChildEnd& end, rules::Duration timeout);
  void keep_listening(std::shared_ptr<Child> child);

  asio::io_context& reactor_;
  Inbox& inbox_;
  Log& log_;
  SettingsOf settings_of_;
  std::map<rules::EventId, std::shared_ptr<Child>> children_;
  std::deque<std::shared_ptr<Child>> left_behind_;
};

}  // namespace rollbackd::engine
