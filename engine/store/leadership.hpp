#pragma once

#include <functional>

#include "engine/asio.hpp"

#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// One daemon acts for a database: the one that holds the leader's lock, on a session of its own
// that the server ends when the daemon is stopped or cut off. Reactor thread.
class Leadership {
 public:
  struct Handlers {
    std::function<void()> on_leading;
    std::function<void()> on_lost;  // another may lead from now on; nothing may be done any more
  };

  Leadership(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers, Log& log,
             Meter& meter, Board& board);

  void start() { try_to_lead(); }
  void stop();
  [[nodiscard]] bool is_leading() const { return leading_; }
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  void try_to_lead();
  void beat();
  void after(rules::Duration delay, void (Leadership::*what)());
  void lost(const std::string& why);

  asio::io_context& reactor_;
  Handlers handlers_;
  Log& log_;
  Meter& meter_;
  Board& board_;
  asio::steady_timer timer_;
  bool leading_ = false;
  bool waiting_told_ = false;
  bool stopping_ = false;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
