#pragma once

#include "engine/asio.hpp"

#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Writes a row into ops.heartbeats, a watched log of our own, every few seconds while this daemon
// leads. It comes back through the doorbell and the feed like any event, which proves the whole way
// from a commit to a judgement. Reactor thread.
class Heartbeat {
 public:
  Heartbeat(asio::io_context& reactor, const ConnectionInfo& info, Log& log, Meter& meter);

  void lead();
  void follow();
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  void beat();
  void again(bool failed, const std::string& why);

  asio::io_context& reactor_;
  Log& log_;
  Meter& meter_;
  asio::steady_timer timer_;
  bool leading_ = false;
  bool beating_ = false;
  bool told_ = false;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
