#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "engine/database/held_lock.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// One daemon acts for a database: the one that holds the leader's lock. Having it, it raises the
// epoch in ops.leader, with its name, before anything else: what an earlier leader still wants to
// change fails from then on. Reactor thread.
class Leadership {
 public:
  struct Handlers {
    std::function<void(std::int64_t epoch)> on_leading;
    std::function<void()> on_lost;  // another may lead from now on; nothing may be done any more
  };

  Leadership(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers, Log& log,
             Meter& meter, Board& board);

  void start() { lock_.start(); }
  void stop() { lock_.stop(); }
  [[nodiscard]] bool is_leading() const { return leading_; }
  // Of the last lead.
  [[nodiscard]] std::int64_t epoch() const { return epoch_; }
  // Another daemon leads, and this one is ready to take over.
  [[nodiscard]] bool is_standby() const { return !leading_ && waiting_told_; }
  // The epoch turned out to be over. The lock is had again, if nobody else has it by now, and the
  // epoch raised anew.
  void give_up(const std::string& why) { lock_.give_up(why); }
  void end_if_stuck(SteadyTime now) { lock_.end_if_stuck(now); }

 private:
  [[nodiscard]] HeldLock::Options options();
  void raise_epoch(Connection& connection);
  void lead();
  void wait();
  void lose(const std::string& why);

  ConnectionInfo info_;
  Handlers handlers_;
  Log& log_;
  Meter& meter_;
  Board& board_;
  bool leading_ = false;
  bool waiting_told_ = false;
  std::atomic<std::int64_t> epoch_{0};  // set on the lock's session
  HeldLock lock_;
};

}  // namespace rollbackd::engine
