#pragma once

#include <atomic>
#include <functional>

#include "engine/asio.hpp"

#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Holds K, so that the bell rings, on a session of its own with a heartbeat: the server frees K
// when the daemon is stopped or cut off, and writers go on in silence. Reactor thread.
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

  void start();
  void stop();
  // Rings once from this session, to see whether the listener hears it.
  void ring_canary();
  [[nodiscard]] bool is_held() const { return held_; }
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  void take();
  void beat();
  void after(rules::Duration delay, void (DoorbellKey::*what)());
  void silent(const std::string& why, bool by_design);

  asio::io_context& reactor_;
  Handlers handlers_;
  Log& log_;
  asio::steady_timer timer_;
  bool held_ = false;
  bool stopping_ = false;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
