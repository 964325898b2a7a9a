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
                                 Board& board, std::function<void()> on_alert)
    : time_{time},
      latency_{latency},
      inbox_{inbox},
      log_{log},
      meter_{meter},
      board_{board},
      on_alert_{std::move(on_alert)},
      session_{info, {"journal", rules::seconds{10}, prepare_statements}, log} {}

void PostgresJournal::write(const rules::Commit& commit) {
  session_.run([this, commit](Connection& connection) { write_now(connection, commit); },
               [this, id = commit.id](const SessionFailure& failure) { failed(id, failure); });
}

void PostgresJournal::read() {
  session_.run_when_connected([this](Connection& connection) { read_now(connection); },
                              [this](const SessionFailure& failure) {
                                log_.error("journal_unreadable", {{"why", failure.what}});
                                board_.report(Part::journal,
                                              "the journal cannot be read: " + failure.what);
                                session_.pause(read_again_after);
                                read();
                              });
}

void PostgresJournal::write_now(Connection& connection, const rules::Commit& commit) {
  if (broken_) {
    return;  // decided on a belief that has been dropped
  }
  const SteadyTime begun = steady_now();
  const std::string kind{commit_kind(commit)};
  if (fail_point("before_commit_" + kind)) {
    throw pqxx::broken_connection{"a fail point before a commit"};
  }
  write_entries(connection, commit.entries);
  if (fail_point("after_commit_" + kind)) {
    throw pqxx::broken_connection{"a fail point after a commit"};
  }
  inbox_.post(rules::CommitDone{commit.id, true, {}});
  meter_.count(Count::journal_commits);
  const rules::Duration took = steady_now() - begun;
  latency_.measured(took);
  meter_.observe(Timing::journal_commit, rules::in_seconds(took));
  if (has_alert(commit)) {
    on_alert_();
  }
}

void PostgresJournal::failed(rules::CommitId id, const SessionFailure& failure) {
  if (broken_) {
    return;
  }
  broken_ = true;
  meter_.count(Count::journal_failures);
  log_.error("journal_write_failed", {{"why", failure.what}, {"sqlstate", failure.sqlstate}});
  board_.report(Part::journal, "a write to the journal failed: " + failure.what);
  inbox_.post(rules::CommitDone{id, false, failure.what});
}

void PostgresJournal::read_now(Connection& connection) {
  rules::JournalRead journal;
  std::vector<std::string> problems;
  {
    const Transaction begun = begin(connection);
    pqxx::transaction_base& work = *begun;
    const SteadyTime asked = steady_now();
    const pqxx::result told =
        work.exec("select (extract(epoch from clock_timestamp()) * 1000000)::bigint");
    time_.measured(rules::Instant{rules::Duration{told[0][0].as<std::int64_t>()}}, asked,
                   steady_now());
    journal.active = read_active(work, problems);
    journal.histories = read_histories(work);
    work.commit();
  }
  for (const std::string& problem : problems) {
    log_.error("rollback_unreadable", {{"what", problem}});
  }
  fail_point("journal_read");
  broken_ = false;
  log_.info("journal_read", {{"active", static_cast<std::int64_t>(journal.active.size())}});
  board_.report(Part::journal, "");
  inbox_.post(std::move(journal));
}

}  // namespace rollbackd::engine
