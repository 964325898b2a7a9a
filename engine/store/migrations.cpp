#include "engine/store/migrations.hpp"

#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "engine/database/statement.hpp"
#include "engine/store/journal_statements.hpp"
#include "engine/store/migration_script.hpp"
#include "engine/utf8.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

// How often one run may lose its connection. What was committed before is found again.
constexpr int losses_max = 3;

// Nothing may be changed any more.
struct EpochLost {};

// Why a migration cannot be reverted; nothing of its script was run.
struct Refused {
  std::string why;
};

// Why its script failed; nothing of it stays.
struct ScriptFailed {
  std::string why;
};

// The lock of the row keeps others from raising the epoch until the transaction ends.
void check_epoch(pqxx::transaction_base& work, std::int64_t epoch, bool keep) {
  if (work.exec_params(
              std::string{"select from ops.leader where epoch = $1"} + (keep ? " for share" : ""),
              epoch)
          .empty()) {
    throw EpochLost{};
  }
}

// Times as the server's own settings are, and names as the migration was written: it was not run by
// this daemon either.
void become(pqxx::transaction_base& work, const std::string& role) {
  const pqxx::result known = work.exec_params(
      "select pg_has_role(current_user, oid, 'member') from pg_roles where rolname = $1", role);
  if (known.empty()) {
    throw Refused{"there is no role " + role + ": create it, or correct rollback.migration_role"};
  }
  if (!known[0][0].as<bool>()) {
    const std::string user = work.exec("select current_user")[0][0].c_str();
    throw Refused{"the role " + user + " may not act as " + role + ": grant " + role + " to " +
                  user};
  }
  work.exec("set local role " + work.quote_name(role) +
            "; set local search_path to default; set local timezone to default;"
            " set local datestyle to default; set local standard_conforming_strings = on;"
            " set local lock_timeout = " +
            setting_text(MigrationReverter::lock_limit));
}

void become_self(pqxx::transaction_base& work) {
  work.exec(
      "set constraints all immediate; set local role none;"
      " set local search_path = pg_catalog, pg_temp");
}

// The statements in their transaction. A lost connection comes as libpqxx's exception.
void run_statements(pqxx::transaction_base& work, const std::vector<std::string>& statements,
                    SteadyTime until) {
  const auto transaction = [&work] {
    return std::string{work.exec("select pg_catalog.pg_current_xact_id()")[0][0].c_str()};
  };
  const std::string ours = transaction();
  std::size_t number = 0;
  try {
    for (const std::string& statement : statements) {
      ++number;
      const rules::Duration left = until - steady_now();
      if (left < rules::Duration{1000}) {
        throw ScriptFailed{"it took longer than it may"};
      }
      work.exec("set local statement_timeout = " + setting_text(left));
      work.exec(statement);
    }
    become_self(work);
  } catch (const pqxx::broken_connection&) {
    throw;
  } catch (const pqxx::failure& e) {
    throw ScriptFailed{"statement " + std::to_string(number) + ": " + one_line(e.what())};
  }
  if (transaction() != ours) {
    throw ScriptFailed{"it ended the transaction that it ran in, and what it did before stays"};
  }
}

void record_success(pqxx::transaction_base& work, const std::string& migration,
                    rules::Duration took) {
  work.exec_params(
      "update ops.migration_history set rolled_back_at = now(), rollback_successful = true,"
      " error_message = null, execution_time_ms = $2 where migration_name = $1",
      migration, took.count() / 1000);
}

void record_failure(Connection& connection, std::int64_t epoch, const std::string& migration,
                    const std::string& why) {
  const Transaction work = begin(connection);
  check_epoch(*work, epoch, true);
  work->exec_params(
      "update ops.migration_history set rollback_successful = false, error_message = $2"
      " where migration_name = $1",
      migration, why);
  work->commit();
}

}  // namespace

struct MigrationReverter::Run {
  rules::RevertMigrations wanted;
  std::int64_t epoch = 0;
  std::string role;
  std::vector<std::string> reverted{};
  int losses = 0;
};

MigrationReverter::MigrationReverter(const ConnectionInfo& info, RoleOf role_of, Inbox& inbox,
                                     Log& log)
    : role_of_{std::move(role_of)},
      inbox_{inbox},
      log_{log},
      // One script may wait for another daemon's to end.
      session_{info, {"migrations", script_limit * 2 + rules::minutes{1}}, log} {}

void MigrationReverter::stop() {
  stopping_ = true;
  session_.abandon_job();
}

void MigrationReverter::revert(const rules::RevertMigrations& wanted, std::int64_t epoch) {
  next(std::make_shared<Run>(Run{wanted, epoch, role_of_(wanted.service)}));
}

void MigrationReverter::next(const std::shared_ptr<Run>& run) {
  if (run->reverted.size() == run->wanted.migrations.size()) {
    finish(*run, "", "");
    return;
  }
  session_.run_when_connected([this, run](Connection& connection) { revert_next(connection, run); },
                              [this, run](const SessionFailure& failure) { failed(run, failure); });
}

void MigrationReverter::failed(const std::shared_ptr<Run>& run, const SessionFailure& failure) {
  if (failure.lost && ++run->losses < losses_max && !stopping_) {
    next(run);
  } else {
    finish(*run, run->wanted.migrations[run->reverted.size()], failure.what);
  }
}

void MigrationReverter::revert_next(Connection& connection, const std::shared_ptr<Run>& run) {
  if (stopping_) {
    return;
  }
  const std::string migration = run->wanted.migrations[run->reverted.size()];
  try {
    if (run_script(connection, *run, migration)) {
      log_.info(
          "migration_reverted",
          {{"event_id", run->wanted.event.text()}, {"migration", migration}, {"role", run->role}});
    }
    run->reverted.push_back(migration);
    next(run);
  } catch (const EpochLost&) {
    log_.error(epoch_lost, {{"why", std::string{"another rollbackd leads"}},
                            {"event_id", run->wanted.event.text()},
                            {"migration", migration}});
  } catch (const Refused& refused) {
    finish(*run, migration, refused.why);
  } catch (const ScriptFailed& script) {
    const std::string why = cut_end(script.why, rules::limits::detail_text_max);
    try {
      record_failure(connection, run->epoch, migration, why);
    } catch (const EpochLost&) {
      log_.error(epoch_lost, {{"migration", migration}, {"why", why}});
      return;
    }
    finish(*run, migration, why);
  }
}

// False: it was reverted before.
bool MigrationReverter::run_script(Connection& connection, Run& run, const std::string& migration) {
  if (run.role.empty()) {
    throw Refused{"rollback.migration_role is not set: no script is run without it"};
  }
  const Transaction work = begin(connection);
  check_epoch(*work, run.epoch, false);
  // Another daemon's script, that nobody has stopped yet, holds the row until it has ended.
  work->exec("set local lock_timeout = " + setting_text(script_limit) +
             "; set local statement_timeout = " + setting_text(script_limit));
  const pqxx::result found = work->exec_params(
      "select rolled_back_at is not null and rollback_successful is not false, rollback_script"
      " from ops.migration_history where migration_name = $1 for update",
      migration);
  if (found.empty()) {
    throw Refused{"ops.migration_history has no such migration any more"};
  }
  if (found[0][0].as<bool>()) {
    return false;
  }
  const auto statements = migration_statements(found[0][1].as<std::string>(""));
  if (!statements) {
    throw Refused{statements.error().what + "; " + statements.error().remedy};
  }
  become(*work, run.role);
  const SteadyTime begun = steady_now();
  run_statements(*work, *statements, begun + script_limit);
  check_epoch(*work, run.epoch, true);
  record_success(*work, migration, steady_now() - begun);
  work->commit();
  return true;
}

void MigrationReverter::finish(const Run& run, const std::string& failed,
                               const std::string& error) {
  if (stopping_) {
    return;
  }
  if (!failed.empty()) {
    log_.error("migration_not_reverted",
               {{"event_id", run.wanted.event.text()}, {"migration", failed}, {"why", error}});
  }
  inbox_.post(rules::MigrationsReverted{run.wanted.event, run.reverted, failed, error});
}

}  // namespace rollbackd::engine
