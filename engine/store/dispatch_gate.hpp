#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/asio.hpp"

#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// The last look before a dispatch: the pause and the leader's epoch, as they are in the database at
// this moment, on a session of its own. Reactor thread.
class DispatchGate {
 public:
  enum class State {
    open,
    paused,
    not_leading,  // the epoch is over, whatever the pause says
    unreadable,   // not within gate_limit
  };
  struct Reading {
    State state = State::unreadable;
    rules::Pause pause;  // of paused
    std::string why;     // of unreadable
  };
  using OnRead = std::function<void(const Reading&)>;

  // An answer that is older is none: this process may have been stopped since.
  static constexpr rules::Duration gate_limit = rules::seconds{2};

  DispatchGate(asio::io_context& reactor, const ConnectionInfo& info, Log& log);

  // Calls back once, on the reactor, after gate_limit at the latest. `epoch`: of this leader.
  void ask(std::int64_t epoch, OnRead on_read);
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  asio::io_context& reactor_;
  Session session_;
};

}  // namespace rollbackd::engine
