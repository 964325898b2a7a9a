#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "engine/database/commit_latency.hpp"
#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// The journal in PostgreSQL: ops.rollback_events, ops.deployments, ops.roman_events and ops.outbox.
// Each Commit is one transaction. Any thread; the SQL runs on a session of its own.
class PostgresJournal final : public Journal {
 public:
  struct Handlers {
    std::function<void()> on_alert;  // a message for people was committed
    // A write found that the epoch is over: another daemon leads, or somebody changed ops.leader.
    std::function<void()> on_epoch_lost;
  };

  // The handlers are called on any thread. Reading the journal sets `time`, so that nobody goes on
  // from it without knowing what time it is.
  PostgresJournal(const ConnectionInfo& info, DatabaseTime& time, CommitLatency& latency,
                  Inbox& inbox, Log& log, Meter& meter, Board& board, Handlers handlers);

  // From now on what is written is committed only while this is the leader's epoch.
  void lead(std::int64_t epoch);
  // Until then nothing is committed, and no JournalRead is posted any more: a standby that knew the
  // journal would act by it.
  void follow();

  void write(const rules::Commit& commit) override;
  void read() override;
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  void write_now(Connection& connection, std::int64_t epoch, const rules::Commit& commit);
  void read_now(Connection& connection, std::int64_t epoch);
  [[nodiscard]] std::int64_t epoch() const;
  void failed(rules::CommitId id, const SessionFailure& failure);

  DatabaseTime& time_;
  CommitLatency& latency_;
  Inbox& inbox_;
  Log& log_;
  Meter& meter_;
  Board& board_;
  Handlers handlers_;
  mutable std::mutex mutex_;
  std::int64_t epoch_ = 0;  // guarded by the mutex; 0: no leader has this one
  bool broken_ = false;     // the session's thread only
  Session session_;         // last: its thread uses the others
};

}  // namespace rollbackd::engine
