#pragma once

#include <optional>
#include <string>

#include "engine/asio.hpp"

#include "engine/database/session.hpp"
#include "engine/ports.hpp"
#include "engine/store/disturbers.hpp"

namespace rollbackd::engine {

// Measures every second what is everybody's: connections of the database server, memory of this
// host. Posts Sampled. Its connection is open before the others run out. Reactor thread.
class Sampler {
 public:
  Sampler(asio::io_context& reactor, const ConnectionInfo& info, Inbox& inbox, Log& log,
          Meter& meter, Board& board);

  void start() { sample(); }
  void stop();
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  void sample();
  void again();
  rules::Sampled measure(Connection& connection);
  void look_at_schema(Connection& connection);

  asio::io_context& reactor_;
  Inbox& inbox_;
  Log& log_;
  Meter& meter_;
  Board& board_;
  asio::steady_timer timer_;
  bool stopping_ = false;
  // The session's thread only.
  Disturbers disturbers_;
  bool told_blind_ = false;
  std::string told_schema_;
  std::optional<SteadyTime> schema_due_;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
