#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/asio.hpp"

#include "engine/clock.hpp"
#include "engine/database/session.hpp"
#include "engine/feed/bell.hpp"
#include "engine/feed/difference.hpp"
#include "engine/feed/recount.hpp"
#include "engine/ports.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// How events and deployments arrive: the bell says "look now", a slow poll looks anyway, and every
// look is the difference of two snapshots. Posts FeedRebuilt, FeedBatch, WindowsRecounted,
// AuditCounted and FeedLost. Reactor thread.
class Feed {
 public:
  struct Options {
    Doorbell doorbell = Doorbell::automatic;
    rules::Second longest_window = 0;
  };
  struct Shared {
    DatabaseTime& time;
    const CommitLatency& latency;
    Inbox& inbox;
    Log& log;
    Meter& meter;
    Board& board;
  };

  Feed(asio::io_context& reactor, const ConnectionInfo& info, Options options, Shared shared);

  void start();
  void stop();
  void lead() { bell_.lead(); }
  void follow() { bell_.follow(); }
  void rebuild(const rules::RebuildWindows& wanted);
  void end_if_stuck(SteadyTime now);
  // Why it polls although nothing is broken; empty: it listens, or will soon.
  [[nodiscard]] const std::string& polls_by_design() const { return bell_.polls_by_design(); }

 private:
  void look();
  void looked(const std::shared_ptr<Looked>& looked);
  void tell(const Looked& looked);
  void hand_over(const std::shared_ptr<Looked>& looked);
  void late(const SessionFailure& failure);
  void failed(const SessionFailure& failure);
  void look_again_later();
  void recount();
  void recounted(std::vector<rules::WindowsRecounted> answers, rules::Duration took);
  void audited(const Recount::Audited& found, rules::Duration took);
  void recount_failed(const std::string& why);
  [[nodiscard]] rules::Duration until_next_look() const;

  asio::io_context& reactor_;
  Shared shared_;

  bool looking_ = false;
  bool look_wanted_ = false;
  bool complete_ = false;
  bool was_late_ = false;
  bool stopping_ = false;
  int failures_ = 0;
  rules::Duration look_took_{0};
  rules::Duration patience_;  // with a look
  Recount::Basis last_;       // the last look
  std::map<rules::Service, rules::RebuildWindows> to_recount_;
  std::vector<rules::RebuildWindows> recounting_;
  std::optional<Recount::Basis> to_audit_;
  SteadyTime audit_due_;
  SteadyTime recount_not_before_{};
  std::set<std::string> told_;  // of logs: what was found by an audit and said once
  asio::steady_timer timer_;

  Difference difference_;  // the session's thread only
  Bell bell_;
  Recount recount_;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
