#include "engine/store/disturbers.hpp"

#include <cmath>
#include <utility>

#include "engine/database/doorbell_names.hpp"
#include "engine/database/statement.hpp"

namespace rollbackd::engine {
namespace {

// The first few are enough to know whom to ask.
constexpr int named_max = 5;
constexpr double queue_usage_max = 0.05;

std::string strangers_from() {
  return " from pg_locks l left join pg_stat_activity a using (pid)"
         " where l.locktype = 'advisory' and l.mode = 'ExclusiveLock' and l.objsubid = 1"
         " and l.classid = " +
         std::to_string(doorbell_key >> 32) +
         " and l.objid = " + std::to_string(doorbell_key & 0xffffffff) +
         " and l.database = (select oid from pg_database where datname = current_database())"
         " and not coalesce(a.usename = session_user"
         "                  and a.application_name = 'rollbackd doorbell', false)";
}

// Columns: key, pid, role, address, application.
const Statement& strangers_statement() {
  static const Statement statement{
      "strangers",
      "select coalesce(l.pid || ' ' || a.backend_start, 'prepared'), coalesce(l.pid, 0),"
      " coalesce(a.usename, 'nobody: a prepared transaction'),"
      " coalesce(host(a.client_addr), 'a local socket'), coalesce(a.application_name, '')" +
          strangers_from() + " order by l.pid limit " + std::to_string(named_max)};
  return statement;
}

// What keeps the queue from being emptied is a session that listens and does not come to read: it
// is in a transaction, or its client does not take what it is sent. Whether another session listens
// cannot be seen. The same columns, the last one says why.
const Statement& culprits_statement() {
  static const Statement statement{
      "culprits",
      "select pid || ' ' || backend_start, pid, coalesce(usename, ''),"
      " coalesce(host(client_addr), 'a local socket'),"
      " case when wait_event = 'ClientWrite' then 'its client does not read'"
      " else 'in a transaction for ' || extract(epoch from clock_timestamp() - xact_start)::int"
      "   || ' s' end"
      " from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
      " and (wait_event = 'ClientWrite' or xact_start < clock_timestamp() - interval '2 seconds')"
      " order by wait_event = 'ClientWrite' desc, xact_start limit " +
          std::to_string(named_max)};
  return statement;
}

pqxx::result ask(Connection& connection, const Statement& statement) {
  const Transaction work = begin_single(connection);
  pqxx::result rows = run_statement(connection, *work, statement);
  work->commit();
  return rows;
}

std::string name_of(const pqxx::row& row) {
  return std::string{"pid "} + row[1].c_str() + " (role " + row[2].c_str() + ", from " +
         row[3].c_str() + (row[4].size() > 0 ? std::string{", "} + row[4].c_str() : "") + ")";
}

}  // namespace

std::string Disturbers::count_of_strangers() { return "(select count(*)" + strangers_from() + ")"; }

void Disturbers::look(Connection& connection, std::int64_t strangers, double queue_usage) {
  if (strangers > 0 || !told_strangers_.empty()) {
    tell_of_strangers(connection);
  }
  if (queue_usage > queue_usage_max || !told_culprits_.empty()) {
    tell_of_culprits(connection, queue_usage);
  }
}

void Disturbers::tell_of_strangers(Connection& connection) {
  std::set<std::string> present;
  std::string all;
  for (const pqxx::row& row : ask(connection, strangers_statement())) {
    all += (all.empty() ? "" : ", ") + name_of(row);
    const std::string key = row[0].c_str();
    present.insert(key);
    if (!told_strangers_.contains(key)) {
      log_.warning("doorbell_stranger", {{"pid", row[1].as<std::int64_t>()},
                                         {"role", std::string{row[2].c_str()}},
                                         {"address", std::string{row[3].c_str()}},
                                         {"application", std::string{row[4].c_str()}}});
    }
  }
  if (all.empty() && !told_strangers_.empty()) {
    log_.info("doorbell_strangers_gone");
  }
  told_strangers_ = std::move(present);
  board_.warn(Warning::doorbell_strangers,
              all.empty() ? ""
                          : "the doorbell's lock K is held by strangers, so that every writer "
                            "rings: " +
                                all + "; end them with pg_terminate_backend(pid)");
}

void Disturbers::tell_of_culprits(Connection& connection, double queue_usage) {
  const bool full = queue_usage > queue_usage_max;
  const std::string percent = std::to_string(std::lround(queue_usage * 100));
  std::set<std::string> present;
  std::string all;
  if (full) {
    present.insert("the queue itself");
    if (told_culprits_.empty()) {
      log_.warning("notify_queue_fills", {{"percent", queue_usage * 100}});
    }
    for (const pqxx::row& row : ask(connection, culprits_statement())) {
      all += (all.empty() ? "" : ", ") + name_of(row);
      const std::string key = row[0].c_str();
      present.insert(key);
      if (!told_culprits_.contains(key)) {
        log_.warning("notify_queue_held_up", {{"pid", row[1].as<std::int64_t>()},
                                              {"role", std::string{row[2].c_str()}},
                                              {"address", std::string{row[3].c_str()}},
                                              {"why", std::string{row[4].c_str()}}});
      }
    }
  } else {
    log_.info("notify_queue_empties", {{"percent", queue_usage * 100}});
  }
  told_culprits_ = std::move(present);
  board_.warn(Warning::notify_queue,
              full ? "NOTIFY's queue is " + percent + " % full; held up by " +
                         (all.empty() ? "nobody that can be seen" : "one or more of " + all)
                   : "");
}

}  // namespace rollbackd::engine
