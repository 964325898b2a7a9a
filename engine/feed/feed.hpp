#pragma once

#include <optional>
#include <set>
#include <string>

#include "engine/asio.hpp"

#include "engine/clock.hpp"
#include "engine/database/session.hpp"
#include "engine/feed/difference.hpp"
#include "engine/feed/doorbell_key.hpp"
#include "engine/feed/listener.hpp"
#include "engine/ports.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// How events and deployments arrive: the doorbell says "look now", a slow poll looks anyway, and
// every look is the difference of two snapshots. Posts FeedRebuilt, FeedBatch and FeedLost. Reactor
// thread.
class Feed {
 public:
  Feed(asio::io_context& reactor, const ConnectionInfo& info, Doorbell mode, DatabaseTime& time,
       Inbox& inbox, Log& log, Meter& meter, Board& board);

  void start();
  void stop();
  // Makes the bell ring for this daemon. Only for the one that leads: a second holder would only
  // wait, and a waiting one makes it ring as well.
  void take_bell();
  // Counts the service anew with the next poll, which comes at once.
  void rebuild(const rules::Service& service);
  void end_if_stuck(SteadyTime now);
  // Why it polls although nothing is broken; empty: it listens, or will soon.
  [[nodiscard]] const std::string& polls_by_design() const { return by_design_; }

 private:
  void look();
  void polled(const std::shared_ptr<Polled>& polled);
  void failed(const SessionFailure& failure);
  void late(const SessionFailure& failure, const std::vector<rules::Service>& services);
  void look_again_later();
  void heard(bool canary);
  void set_deaf(Part part, const std::string& why, bool by_design);
  void watch_canary();
  [[nodiscard]] bool is_exact() const { return listener_.is_listening() && doorbell_.is_held(); }
  [[nodiscard]] rules::Duration until_next_look() const;

  asio::io_context& reactor_;
  Doorbell mode_;
  DatabaseTime& time_;
  Inbox& inbox_;
  Log& log_;
  Meter& meter_;
  Board& board_;

  std::set<rules::Service> to_rebuild_;
  bool looking_ = false;
  bool look_wanted_ = false;
  bool complete_ = false;
  bool was_late_ = false;
  bool stopping_ = false;
  int failures_ = 0;
  std::string by_design_;
  std::optional<SteadyTime> audited_;
  std::optional<SteadyTime> canary_rung_;
  asio::steady_timer timer_;
  asio::steady_timer canary_timer_;

  Difference difference_;  // the session's thread only
  Listener listener_;
  DoorbellKey doorbell_;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
