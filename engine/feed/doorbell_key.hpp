#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/database/held_lock.hpp"

namespace rollbackd::engine {

// Holds K, so that the bell rings; without the daemon's heartbeat the server frees it, and writers
// go on in silence. Reactor thread.
class DoorbellKey {
 public:
  // What bells, anybody's, do to the server.
  struct Harm {
    double queue_usage_ratio = 0;
    std::uint64_t lock_waiters = 0;
  };

  struct Handlers {
    // K is held from now on, and every writer that saw silence has ended: one more look and the
    // bell is exact.
    std::function<void()> on_taken;
    // Somebody who saw silence has not ended, or a stranger holds it.
    std::function<void()> on_waiting;
    std::function<void(const std::string& why, bool by_design)> on_lost;
    std::function<void(const Harm&)> on_measured;
    std::function<void()> on_canary_rung;
  };

  DoorbellKey(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers, Log& log);

  void open() { lock_.open(); }
  void take() { lock_.start(); }
  void let_go() { lock_.let_go(); }
  void stop() { lock_.stop(); }
  // Measures at once what is otherwise measured with every heartbeat.
  void measure();
  // Rings once from this session, to see whether the listener hears it.
  void ring_canary();
  [[nodiscard]] bool is_held() const { return lock_.is_held(); }
  void end_if_stuck(SteadyTime now) { lock_.end_if_stuck(now); }

 private:
  HeldLock::Options options();
  void measure_on(pqxx::connection& connection);

  asio::io_context& reactor_;
  Handlers handlers_;
  HeldLock lock_;
};

}  // namespace rollbackd::engine
