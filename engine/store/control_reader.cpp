#include "engine/store/control_reader.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "engine/database/statement.hpp"
#include "engine/store/control_rows.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

// Longer than the session waits for a lock.
constexpr rules::Duration job_max = rules::seconds{4};

// There may be many migrations and alerts, and they hardly ever change: they are sent when their
// mark, $1 and $2, is another one than last time.
const Statement& control_statement() {
  static const Statement statement{
      "control",
      "with migration as materialized ("
      "  select migration_name, deployment_id, " +
          microseconds_of("applied_at") +
          " as applied_us,"
          "    coalesce(metadata ->> 'backward_compatible' = 'true', false) as compatible,"
          "    coalesce(octet_length(rollback_script), 0) > 0 as has_script,"
          "    rollback_successful is false as failed, id"
          "  from ops.migration_history"
          "  where rolled_back_at is null or rollback_successful is false"
          "  order by applied_at desc nulls first, id desc limit " +
          std::to_string(rules::limits::migrations_max + 1) +
          "),"
          " mark as (select count(*) || ':' ||"
          "   coalesce(sum(hashtextextended(m::text, 0)::numeric), 0) as text from migration m),"
          " alert as materialized (select environment, service, alert, starts_at from ops.alerts"
          "  order by starts_at desc limit " +
          std::to_string(rules::limits::alerts_max) +
          "),"
          " alert_mark as (select count(*) || ':' ||"
          "   coalesce(sum(hashtextextended(a::text, 0)::numeric), 0) as text from alert a)"
          " select c.paused, c.paused_by, c.reason, " +
          microseconds_of("c.since") +
          ","
          " (select json_agg(json_build_array(b.environment, b.reason, " +
          microseconds_of("b.opened_at") +
          ") order by b.id) from ops.breakers b where b.closed_at is null),"
          " l.holder, mark.text, case when mark.text is distinct from $1 then"
          "   (select json_agg(json_build_array(m.migration_name, m.deployment_id, m.applied_us,"
          "      m.compatible, m.has_script, m.failed) order by m.applied_us nulls last, m.id)"
          "    from migration m) end,"
          " alert_mark.text, case when alert_mark.text is distinct from $2 then"
          "   (select json_agg(json_build_array(a.environment, a.service, a.alert, " +
          microseconds_of("a.starts_at") +
          ")) from alert a) end"
          " from ops.control c cross join ops.leader l cross join mark cross join alert_mark"};
  return statement;
}

}  // namespace

ControlReader::ControlReader(asio::io_context& reactor, const ConnectionInfo& info, Inbox& inbox,
                             Log& log, Board& board)
    : reactor_{reactor},
      inbox_{inbox},
      log_{log},
      board_{board},
      timer_{reactor},
      session_{info, {"control", job_max}, log} {}

void ControlReader::start() {
  if (!looking_) {
    look();
  }
}

void ControlReader::stop() {
  stopping_ = true;
  timer_.cancel();
}

void ControlReader::read(std::uint64_t number) {
  asked_ = std::max(asked_, number);
  if (!looking_) {
    timer_.cancel();
    look();
  }
}

void ControlReader::look() {
  looking_ = true;
  session_.run(
      [this, number = asked_](Connection& connection) {
        const std::string holder = read_now(connection, number);
        asio::post(reactor_, [this, number, holder] {
          leader_ = holder;
          done(number, "");
        });
      },
      [this, number = asked_](const SessionFailure& failure) {
        asio::post(reactor_, [this, number, failure] {
          done(number, "the pause cannot be read, so nothing is dispatched: " + failure.what);
        });
      });
}

std::string ControlReader::read_now(Connection& connection, std::uint64_t number) {
  const Transaction work = begin_single(connection);
  const pqxx::result rows =
      run_statement(connection, *work, control_statement(), migrations_mark_, alerts_mark_);
  work->commit();
  if (rows.size() != 1) {
    throw std::runtime_error{
        "ops.control and ops.leader have to have exactly one row each; run `rollbackd install`"};
  }
  ControlRow row = read_control_row(rows[0]);
  if (row.migrations_mark != migrations_mark_) {
    migrations_ = std::move(row.migrations);
    migrations_mark_ = row.migrations_mark;
    migrations_cut_ = migrations_.size() > rules::limits::migrations_max;
    if (migrations_cut_) {
      migrations_.erase(migrations_.begin());
    }
  }
  if (row.alerts_mark != alerts_mark_) {
    alerts_ = std::move(row.alerts);
    alerts_mark_ = row.alerts_mark;
  }
  rules::ControlRead read;
  read.number = number;
  read.pause = std::move(row.pause);
  read.breakers = std::move(row.breakers);
  read.migrations = migrations_;
  read.migrations_cut = migrations_cut_;
  read.alerts = alerts_;
  inbox_.post(std::move(read));
  return row.leader;
}

void ControlReader::done(std::uint64_t number, const std::string& problem) {
  looking_ = false;
  board_.report(Part::control, problem);
  if (problem != told_) {
    told_ = problem;
    if (problem.empty()) {
      log_.info("control_readable");
    } else {
      log_.error("control_unreadable", {{"why", problem}});
    }
  }
  if (stopping_) {
    return;
  }
  if (asked_ > number && problem.empty()) {
    look();  // what was read is older than the question
    return;
  }
  timer_.expires_after(rules::limits::control_every);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !looking_) {
      look();
    }
  });
}

}  // namespace rollbackd::engine
