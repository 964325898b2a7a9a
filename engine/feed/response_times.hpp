#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/asio.hpp"

#include "engine/database/session.hpp"
#include "engine/database/statement.hpp"
#include "engine/feed/response_times_rows.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// How response times arrive: every second, the difference of two snapshots, counted in the
// database. Each committed row is taken in once; a row without a known xid is found by a recount
// only, and one that is deleted stays until it has left the window. Has a connection of its own, so
// that it never delays the feed. Posts ResponseTimesRead and ResponseTimesLost. Reactor thread.
class ResponseTimesFeed {
 public:
  // `longest`: of the windows.
  ResponseTimesFeed(asio::io_context& reactor, const ConnectionInfo& info, rules::Second longest,
                    Inbox& inbox, Log& log, Meter& meter);

  // Counts everything anew, which answers this request and those with lower numbers. The first one
  // starts the polling. When a recount takes long the next one waits, so that the database spends
  // a tenth of its time on them at most.
  void recount(std::uint64_t number);
  void stop();
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  ResponseTimesRows ask_for_new(Connection& connection, const std::string& since);
  ResponseTimesRows ask_for_all(Connection& connection, const std::string& since);
  void prepare(const std::string& events);
  void look();
  void arrived(const std::shared_ptr<ResponseTimesRows>& reading, rules::Duration took);
  void failed(const SessionFailure& failure, bool was_recount);
  void look_again_later(rules::Duration delay);

  asio::io_context& reactor_;
  Inbox& inbox_;
  Log& log_;
  Meter& meter_;
  asio::steady_timer timer_;
  bool started_ = false;
  bool stopping_ = false;
  bool complete_ = false;
  int failures_ = 0;
  std::string snapshot_;  // pg_snapshot as text; empty: nothing is known
  std::uint64_t asked_ = 0;
  std::uint64_t answered_ = 0;
  SteadyTime asked_at_{};
  SteadyTime rests_until_{};
  // The session's thread only.
  rules::Second longest_;
  std::string events_;  // ops.rollbackd_events_query() of what is prepared; empty: nothing is
  Statement poll_;
  Statement recount_;
  int prepared_ = 0;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
