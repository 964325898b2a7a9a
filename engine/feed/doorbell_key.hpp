#pragma once

#include <functional>
#include <string>

#include "engine/database/held_lock.hpp"

namespace rollbackd::engine {

// Holds K, so that the bell rings; without the daemon's heartbeat the server frees it, and writers
// go on in silence. Reactor thread.
class DoorbellKey {
 public:
  struct Handlers {
    // K is held from now on, and every writer that saw silence has ended: one more poll and the
    // bell is exact.
    std::function<void()> on_taken;
    std::function<void(const std::string& why, bool by_design)> on_silent;
    std::function<void()> on_canary_rung;
  };

  DoorbellKey(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers, Log& log);

  void start() { lock_.start(); }
  void stop() { lock_.stop(); }
  // Rings once from this session, to see whether the listener hears it.
  void ring_canary();
  [[nodiscard]] bool is_held() const { return lock_.is_held(); }
  void end_if_stuck(SteadyTime now) { lock_.end_if_stuck(now); }

 private:
  asio::io_context& reactor_;
  Handlers handlers_;
  HeldLock lock_;
};

}  // namespace rollbackd::engine
