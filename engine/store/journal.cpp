#include "engine/store/journal.hpp"

#include <algorithm>

#include "engine/database/statement.hpp"
#include "engine/fail_point.hpp"
#include "engine/store/commit_kind.hpp"
#include "engine/store/journal_sql.hpp"
#include "engine/store/journal_statements.hpp"

namespace rollbackd::engine {
namespace {

// Between two attempts at a journal that cannot be read, for want of a right or a column.
constexpr rules::Duration read_again_after = rules::seconds{1};

bool has_alert(const rules::Commit& commit) {
  return std::any_of(commit.entries.begin(), commit.entries.end(),
                     [](const auto& entry) { return std::holds_alternative<rules::Alert>(entry); });
}

}  // namespace

PostgresJournal::PostgresJournal(const ConnectionInfo& info, DatabaseTime& time,
                                 CommitLatency& latency, Inbox& inbox, Log& log, Meter& meter,
                                 Board& board, Handlers handlers)
    : time_{time},
      latency_{latency},
      inbox_{inbox},
      log_{log},
      meter_{meter},
      board_{board},
      handlers_{std::move(handlers)},
      session_{info, {"journal", rules::seconds{10}, prepare_statements}, log} {}

void PostgresJournal::lead(std::int64_t epoch) {
  const std::lock_guard lock{mutex_};
  epoch_ = epoch;
}

void PostgresJournal::follow() { lead(0); }

std::int64_t PostgresJournal::epoch() const {
  const std::lock_guard lock{mutex_};
  return epoch_;
}

void PostgresJournal::write(const rules::Commit& commit) {
  // The epoch under which it was decided, which may be over when its turn comes.
  session_.run([this, epoch = epoch(),
                commit](Connection& connection) { write_now(connection, epoch, commit); },
               [this, id = commit.id](const SessionFailure& failure) { failed(id, failure); });
}

void PostgresJournal::read() {
  session_.run_when_connected(
      [this, epoch = epoch()](Connection& connection) { read_now(connection, epoch); },
      [this](const SessionFailure& failure) {
        log_.error("journal_unreadable", {{"why", failure.what}});
        board_.report(Part::journal, "the journal cannot be read: " + failure.what);
        session_.pause(read_again_after);
        read();
      });
}

void PostgresJournal::write_now(Connection& connection, std::int64_t epoch,
                                const rules::Commit& commit) {
  if (broken_) {
    return;  // decided on a belief that has been dropped
  }
  const SteadyTime begun = steady_now();
  const std::string kind{commit_kind(commit)};
  if (fail_point("before_commit_" + kind)) {
    throw pqxx::broken_connection{"a fail point before a commit"};
  }
  write_entries(connection, epoch, commit.entries);
  if (fail_point("after_commit_" + kind)) {
    throw pqxx::broken_connection{"a fail point after a commit"};
  }
  inbox_.post(rules::CommitDone{commit.id, true, {}});
  meter_.count(Count::journal_commits);
  const rules::Duration took = steady_now() - begun;
  latency_.measured(took);
  meter_.observe(Timing::journal_commit, rules::in_seconds(took));
  if (has_alert(commit)) {
    handlers_.on_alert();
  }
}

void PostgresJournal::failed(rules::CommitId id, const SessionFailure& failure) {
  if (broken_) {
    return;
  }
  broken_ = true;
  meter_.count(Count::journal_failures);
  const bool is_epoch_lost = failure.what.find(epoch_lost) != std::string::npos;
  if (is_epoch_lost) {
    log_.error(epoch_lost, {{"why", failure.what}});
  } else {
    log_.error("journal_write_failed", {{"why", failure.what}, {"sqlstate", failure.sqlstate}});
  }
  board_.report(Part::journal, "a write to the journal failed: " + failure.what);
  inbox_.post(rules::CommitDone{id, false, failure.what});
  if (is_epoch_lost) {
    handlers_.on_epoch_lost();
  }
}

void PostgresJournal::read_now(Connection& connection, std::int64_t epoch) {
  rules::JournalRead journal;
  std::vector<std::string> problems;
  {
    const Transaction begun = begin(connection);
    pqxx::transaction_base& work = *begun;
    work.exec("set transaction isolation level repeatable read");
    const SteadyTime asked = steady_now();
    const pqxx::result told =
        work.exec("select (extract(epoch from clock_timestamp()) * 1000000)::bigint");
    const rules::Instant now{rules::Duration{told[0][0].as<std::int64_t>()}};
    time_.measured(now, asked, steady_now());
    journal.active = read_active(work, problems);
    journal.followed = read_followed(work, problems);
    journal.claims = read_claims(work, now);
    journal.histories = read_histories(work);
    work.commit();
  }
  for (const std::string& problem : problems) {
    log_.error("rollback_unreadable", {{"what", problem}});
  }
  fail_point("journal_read");
  const std::lock_guard lock{mutex_};
  if (epoch != epoch_) {
    return;  // asked by a leader that was
  }
  broken_ = false;
  log_.info("journal_read", {{"active", static_cast<std::int64_t>(journal.active.size())},
                             {"followed", static_cast<std::int64_t>(journal.followed.size())}});
  board_.report(Part::journal, "");
  inbox_.post(std::move(journal));
}

}  // namespace rollbackd::engine
