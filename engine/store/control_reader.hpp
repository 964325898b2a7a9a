#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/asio.hpp"

#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Reads what can forbid to act, in one snapshot: the pause, the breakers, the migrations; the
// alerts that came in, and who leads. Posts a ControlRead every limits::control_every, and at once
// when it is asked for. What cannot be read is told on the board and tried again. Reactor thread.
class ControlReader {
 public:
  ControlReader(asio::io_context& reactor, const ConnectionInfo& info, Inbox& inbox, Log& log,
                Board& board);

  void start();
  void stop();
  // The next ControlRead that has this number, or a higher one, was read after this call.
  void read(std::uint64_t number);
  // Who leads, as ops.leader said last; empty: nobody yet.
  [[nodiscard]] const std::string& leader() const { return leader_; }
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  void look();
  // Gives the holder of the lead.
  std::string read_now(Connection& connection, std::uint64_t number);
  void done(std::uint64_t number, const std::string& problem);

  asio::io_context& reactor_;
  Inbox& inbox_;
  Log& log_;
  Board& board_;
  asio::steady_timer timer_;
  std::uint64_t asked_ = 0;
  bool looking_ = false;
  bool stopping_ = false;
  std::string leader_;
  std::string told_;  // the problem
  // The session's thread only: the migrations that were read last, and what they are told by.
  std::string migrations_mark_;
  std::vector<rules::Migration> migrations_;
  bool migrations_cut_ = false;
  std::string alerts_mark_;
  std::vector<rules::FiringAlert> alerts_;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
