#pragma once

#include <cstdint>

#include "engine/asio.hpp"

#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// The last look before a dispatch: the pause and the leader's epoch, as they are in the database at
// this moment, on a session of its own. Reactor thread.
class DispatchGate final : public Gate {
 public:
  // An answer that is older is none: this process may have been stopped since.
  static constexpr rules::Duration gate_limit = rules::seconds{2};

  DispatchGate(asio::io_context& reactor, const ConnectionInfo& info, Log& log);

  // From now on it is open to this leader.
  void lead(std::int64_t epoch) { epoch_ = epoch; }
  void ask(OnAnswer on_answer) override;
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  asio::io_context& reactor_;
  std::int64_t epoch_ = 0;
  Session session_;
};

}  // namespace rollbackd::engine
