#include "engine/store/retention.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "engine/database/statement.hpp"

namespace rollbackd::engine {
namespace {

// After a batch it rests this many times as long as that took, and at least so long.
constexpr int rest_factor = 4;
constexpr rules::Duration rest_least{100'000};
constexpr rules::Duration batch_max = rules::seconds{10};

// Oldest first, by index where the table can be large. $1: how old, in seconds; $2: how many.
struct Table {
  const char* name;
  rules::Duration RetentionSettings::*kept;
  const char* rows;
};

// What other programs wrote into the tables that we share with them is not ours to delete.
constexpr std::array<Table, 4> tables{{
    {"response_times", &RetentionSettings::response_times,
     "select ctid from ops.response_times where timestamp < now() - $1::bigint * interval '1 s'"
     " order by timestamp limit $2"},
    {"roman_events", &RetentionSettings::roman_events,
     "select ctid from ops.roman_events where timestamp < now() - $1::bigint * interval '1 s'"
     " and source = 'rollbackd' order by timestamp limit $2"},
    // Our function has written them, and nobody else writes this mark.
    {"system_snapshots", &RetentionSettings::snapshots,
     "select ctid from ops.system_snapshots where created_at < now() - $1::bigint * interval '1 s'"
     " and key_metrics ? 'database_connections_exact' limit $2"},
    // A message that still waits stays, however old.
    {"outbox", &RetentionSettings::outbox,
     "select ctid from ops.outbox where coalesce(sent_at, case when next_attempt_at = 'infinity'"
     " then created_at end) < now() - $1::bigint * interval '1 s' limit $2"},
}};

std::size_t delete_batch(Connection& connection, const Table& table, rules::Duration kept) {
  const Transaction work = begin_single(connection);
  // The rows are named by where they are, which is safe within one statement: one that was changed
  // since is somewhere else, and is met again next time.
  const pqxx::result result = run_statement(
      connection, *work,
      {std::string{"retain_"} + table.name, std::string{"delete from ops."} + table.name +
                                                " where ctid = any(array(" + table.rows + "))"},
      std::to_string(kept / rules::seconds{1}), std::to_string(Retention::batch_rows));
  work->commit();
  return static_cast<std::size_t>(result.affected_rows());
}

}  // namespace

Retention::Retention(asio::io_context& reactor, const ConnectionInfo& info,
                     RetentionSettings settings, Log& log)
    : Retention{reactor, info, settings, log, Pace{}} {}

Retention::Retention(asio::io_context& reactor, const ConnectionInfo& info,
                     RetentionSettings settings, Log& log, Pace pace)
    : reactor_{reactor},
      log_{log},
      settings_{settings},
      pace_{pace},
      timer_{reactor},
      session_{info, {"retention", batch_max}, log} {}

void Retention::lead() {
  leading_ = true;
  ++lead_;
  table_ = 0;
  deleted_ = 0;
  again_after(pace_.first_after);
}

void Retention::follow() {
  leading_ = false;
  ++lead_;
  timer_.cancel();
}

void Retention::again_after(rules::Duration delay) {
  timer_.expires_after(delay);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && leading_) {
      next();
    }
  });
}

void Retention::next() {
  const Table& table = tables.at(table_);
  session_.run_when_connected(
      [this, lead = lead_, &table, kept = settings_.*table.kept](Connection& connection) {
        const SteadyTime begun = steady_now();
        const std::size_t rows = delete_batch(connection, table, kept);
        asio::post(reactor_,
                   [this, lead, rows, took = steady_now() - begun] { deleted(lead, rows, took); });
      },
      [this, lead = lead_](const SessionFailure& failure) {
        asio::post(reactor_, [this, lead, failure] { failed(lead, failure); });
      });
}

void Retention::deleted(std::uint64_t lead, std::size_t rows, rules::Duration took) {
  if (lead != lead_) {
    return;
  }
  deleted_ += rows;
  const rules::Duration rest = std::max(rest_least, took * rest_factor);
  if (rows == batch_rows) {
    again_after(rest);
    return;
  }
  end_table();
  again_after(table_ == 0 ? pace_.round_every : rest);
}

void Retention::end_table() {
  if (deleted_ > 0) {
    log_.info("retention", {{"table", std::string{"ops."} + tables.at(table_).name},
                            {"rows_deleted", static_cast<std::int64_t>(deleted_)}});
  }
  deleted_ = 0;
  table_ = (table_ + 1) % tables.size();
}

void Retention::failed(std::uint64_t lead, const SessionFailure& failure) {
  if (lead != lead_) {
    return;
  }
  log_.warning("retention_failed", {{"table", std::string{"ops."} + tables.at(table_).name},
                                    {"what", failure.what},
                                    {"sqlstate", failure.sqlstate}});
  end_table();
  again_after(pace_.round_every);
}

}  // namespace rollbackd::engine
