// The server and the way to it.

#include <cmath>

#include "engine/clock.hpp"
#include "engine/database/doorbell_names.hpp"
#include "engine/database/pooling.hpp"
#include "engine/database/refusal.hpp"
#include "engine/database/statement.hpp"
#include "engine/doctor/checks.hpp"
#include "engine/store/disturbers.hpp"
#include "rules/value.hpp"

namespace rollbackd::engine {
namespace {

constexpr int version_min = 130000;         // xid8, pg_current_xact_id()
constexpr double clock_difference_max = 1;  // seconds
constexpr double queue_usage_max = 0.05;
// What a daemon opens at its start and keeps.
constexpr std::int64_t connections_needed = 14;

std::string one_value(Patient& patient, const std::string& sql) {
  const Transaction work = begin(*patient.connection);
  const pqxx::result rows = work->exec(sql);
  return rows.empty() || rows[0][0].is_null() ? "" : rows[0][0].c_str();
}

// What the server said when it refused us, and what mends it.
std::string remedy_of(const std::string& sqlstate, const std::string& what) {
  const auto says = [&what](const char* part) { return what.find(part) != std::string::npos; };
  if (sqlstate == "28P01") {
    return "the password is wrong: put the right one into database.password_file, or set it with "
           "alter role … password";
  }
  if (is_login_refused(sqlstate)) {
    return "the server lets this role not in: look at pg_hba.conf and at the role (`rollbackd "
           "install` makes it, how it logs in is up to you)";
  }
  if (sqlstate == "3D000") {
    return "there is no such database: correct dbname in database.conninfo";
  }
  if (sqlstate == "53300") {
    return "all connections are taken: raise max_connections, or end some";
  }
  if (sqlstate == "57P03") {
    return "the server is starting or stopping: try again";
  }
  if (says("translate host name")) {
    return "correct host in database.conninfo, or the name service";
  }
  if (says("Connection refused") || says("No such file")) {
    return "no server listens there: start it, or correct host and port in database.conninfo";
  }
  if (says("timeout") || says("timed out")) {
    return "nothing answers there: look for a firewall, and whether the host is up";
  }
  return "correct database.conninfo; the server's log says more";
}

Finding why_unreachable(const std::string& conninfo, const std::string& what) {
  try {
    const Connection standby{conninfo + " target_session_attrs=any"};
    return failed("only a standby answers: " + one_line(what),
                  "name the primary in database.conninfo, or several hosts (host=a,b): the one "
                  "that takes writes is used");
  } catch (const pqxx::failure&) {
    return failed(one_line(what), remedy_of(refusal_of(conninfo), what));
  }
}

std::string seconds_text(rules::Duration duration) {
  return rules::number_text(static_cast<double>(duration.count()) / 1000) + " ms";
}

}  // namespace

Findings check_database(Patient& patient) {
  const auto conninfo = session_conninfo(patient.database, "doctor");
  if (!conninfo) {
    return {failed(conninfo.error().what, conninfo.error().remedy)};
  }
  try {
    patient.connection = open_connection(*conninfo);
    if (!patient.connection->is_pooled()) {
      set_for_session(*patient.connection);
    }
  } catch (const pqxx::broken_connection& e) {
    patient.connection.reset();
    return {why_unreachable(*conninfo, e.what())};
  }
  const std::string version = one_value(patient, "show server_version");
  Findings found{fine("PostgreSQL " + version + ", primary, as " +
                      one_value(patient, "select current_user || ' in ' || current_database()") +
                      " (" + shown_conninfo(patient.database) + ")")};
  if (patient.connection->server_version() < version_min) {
    found.push_back(failed("PostgreSQL " + version + " has no 64-bit transaction ids",
                           "PostgreSQL 13 or later is needed, 15 is what it is tested with"));
  }
  return found;
}

Findings check_listen(Patient& patient) {
  const auto conninfo = session_conninfo(patient.database, "doctor");
  const auto pooling = pooling_at(*conninfo);
  if (pooling == Pooling::transaction) {
    return {warning(std::string{pooler_swallows_bell} + "; it polls",
                    "give database.conninfo the server itself, not the pooler")};
  }
  const auto taken = bell_round_trip(*conninfo);
  if (!taken) {
    return {failed("what NOTIFY says on one connection is not heard on another within a second",
                   "look for what stands between: a proxy, a pooler, a server that is overloaded; "
                   "feed.doorbell: off makes it poll")};
  }
  return {fine("NOTIFY is heard on a second connection, after " + seconds_text(*taken) +
               (pooling == Pooling::session ? ", through a pooler in session mode" : ""))};
}

Findings check_prepared_transactions(Patient& patient) {
  const std::string most = one_value(patient, "show max_prepared_transactions");
  if (most == "0") {
    return {fine("max_prepared_transactions is 0")};
  }
  return {warning("max_prepared_transactions is " + most +
                      ": PREPARE TRANSACTION fails after a NOTIFY, so that no bell rings and the "
                      "daemon polls",
                  "set it to 0 and restart the server, unless something uses two-phase commit")};
}

Findings check_doorbell(Patient& patient) {
  Findings found;
  if (patient.settings.doorbell == Doorbell::off) {
    found.push_back(fine("feed.doorbell is off: it polls"));
  }
  const std::string strangers = one_value(patient, "select " + Disturbers::count_of_strangers());
  if (strangers != "0") {
    found.push_back(warning(
        strangers +
            " session(s) that are no rollbackd hold the doorbell's lock: every writer rings",
        "rollbackd_doorbell_strangers and the daemon's log name them; end them"));
  }
  const double usage = std::stod("0" + one_value(patient, "select pg_notification_queue_usage()"));
  if (usage > queue_usage_max) {
    found.push_back(warning("the queue of NOTIFY is " + rules::number_text(usage * 100) +
                                " % full: a session that listens does not read",
                            "look in pg_stat_activity for the oldest xact_start, or for "
                            "wait_event ClientWrite, and end it"));
  }
  if (found.empty()) {
    found.push_back(fine("nobody disturbs it"));
  }
  return found;
}

// The answer is taken to come from the middle of the time that it took.
Findings check_clock(Patient& patient) {
  const rules::Instant asked = wall_now();
  const std::string told = one_value(patient, "select " + microseconds_of("clock_timestamp()"));
  const rules::Instant answered = wall_now();
  const rules::Instant here = asked + (answered - asked) / 2;
  const double difference =
      rules::in_seconds(rules::Instant{rules::Duration{std::stoll(told)}} - here);
  const std::string text = "the database's clock is " + rules::number_text(std::abs(difference)) +
                           " s " + (difference < 0 ? "behind" : "ahead of") + " this machine's";
  if (std::abs(difference) <= clock_difference_max) {
    return {fine(text)};
  }
  return {warning(text + "; it judges by the database's",
                  "run NTP on both: the log's times, the age of signatures and a workflow's "
                  "not_after are off by this")};
}

Findings check_connections(Patient& patient) {
  const Transaction work = begin(*patient.connection);
  const pqxx::row row = work->exec(
      "select (select coalesce(sum(numbackends), 0) from pg_stat_database),"
      " current_setting('max_connections')::int"
      " - current_setting('superuser_reserved_connections')::int"
      " - coalesce(current_setting('reserved_connections', true)::int, 0),"
      " (select count(*) from pg_stat_activity where application_name like 'rollbackd%'"
      "  and pid <> pg_backend_pid()),"
      " (select rolconnlimit from pg_roles where rolname = current_user)")[0];
  const auto used = row[0].as<std::int64_t>();
  const auto usable = row[1].as<std::int64_t>();
  const auto ours = row[2].as<std::int64_t>();
  const auto limit = row[3].as<std::int64_t>();
  const std::string text =
      std::to_string(used) + " of " + std::to_string(usable) + " connections are in use";
  if (limit >= 0 && limit < connections_needed) {
    return {failed(
        "this role may have " + std::to_string(limit) + " connections at once",
        "alter role … connection limit -1: a daemon keeps " + std::to_string(connections_needed))};
  }
  if (ours == 0 && usable - used < connections_needed) {
    return {warning(text + ", and a daemon needs " + std::to_string(connections_needed),
                    "raise max_connections, or lessen what others take")};
  }
  return {fine(text)};
}

Findings check_leader(Patient& patient) {
  if (one_value(patient, "select to_regclass('ops.leader')").empty()) {
    return {skipped("ops.leader is missing, see above")};
  }
  const std::string holder = one_value(
      patient, "select holder || ', since ' || date_trunc('second', since) from ops.leader");
  const std::string held =
      one_value(patient,
                "select count(*) from pg_locks where locktype = 'advisory' and granted"
                " and mode = 'ExclusiveLock' and objsubid = 1 and classid = " +
                    std::to_string(leader_key >> 32) +
                    " and objid = " + std::to_string(leader_key & 0xffffffff) +
                    " and database = (select oid from pg_database where datname ="
                    " current_database())");
  if (held != "0") {
    return {fine(holder.empty() ? "a daemon leads" : holder + ", leads")};
  }
  return {warning("no daemon leads at the moment" +
                      (holder.empty() ? std::string{} : "; the last was " + holder),
                  "start one: rollbackd run --config FILE, or systemctl start rollbackd")};
}

}  // namespace rollbackd::engine
