#pragma once

#include <functional>
#include <string>

#include "engine/database/held_lock.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// One daemon acts for a database: the one that holds the leader's lock. Reactor thread.
class Leadership {
 public:
  struct Handlers {
    std::function<void()> on_leading;
    std::function<void()> on_lost;  // another may lead from now on; nothing may be done any more
  };

  Leadership(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers, Log& log,
             Meter& meter, Board& board);

  void start() { lock_.start(); }
  void stop() { lock_.stop(); }
  [[nodiscard]] bool is_leading() const { return leading_; }
  // Another daemon leads, and this one is ready to take over.
  [[nodiscard]] bool is_standby() const { return !leading_ && waiting_told_; }
  void end_if_stuck(SteadyTime now) { lock_.end_if_stuck(now); }

 private:
  void lead();
  void wait();
  void lose(const std::string& why);

  Handlers handlers_;
  Log& log_;
  Meter& meter_;
  Board& board_;
  bool leading_ = false;
  bool waiting_told_ = false;
  HeldLock lock_;
};

}  // namespace rollbackd::engine
