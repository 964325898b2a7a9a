#pragma once

#include <atomic>
#include <functional>

#include "engine/database/commit_latency.hpp"
#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// The journal in PostgreSQL: ops.rollback_events, ops.deployments, ops.roman_events and ops.outbox.
// Each Commit is one transaction. Any thread; the SQL runs on a session of its own.
class PostgresJournal final : public Journal {
 public:
  // `on_alert`: a message for people was committed; any thread. Reading the journal sets `time`, so
  // that nobody goes on from it without knowing what time it is.
  PostgresJournal(const ConnectionInfo& info, DatabaseTime& time, CommitLatency& latency,
                  Inbox& inbox, Log& log, Meter& meter, Board& board,
                  std::function<void()> on_alert);

  void write(const rules::Commit& commit) override;
  void read() override;
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  void write_now(Connection& connection, const rules::Commit& commit);
  void read_now(Connection& connection);
  void failed(rules::CommitId id, const SessionFailure& failure);

  DatabaseTime& time_;
  CommitLatency& latency_;
  Inbox& inbox_;
  Log& log_;
  Meter& meter_;
  Board& board_;
  std::function<void()> on_alert_;
  bool broken_ = false;  // the session's thread only
  Session session_;      // last: its thread uses the others
};

}  // namespace rollbackd::engine
