#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "tests/support/watched_log.hpp"

// ops.watch_error_log(): tables of whatever shape are seen, whoever writes them and wherever.

namespace rollbackd::tests {
namespace {

struct WatchedLogsTest;

std::string fresh_name() {
  static int count = 0;
  return "app.log" + std::to_string(++count);
}

// A new table in schema app with these columns.
std::string make_log(pqxx::connection& connection, const std::string& columns,
                     const std::string& rest = "") {
  const std::string name = fresh_name();
  rows(connection, "create schema if not exists app");
  rows(connection, "create table " + name + " (" + columns + ")" + rest);
  return name;
}

const std::string usual_columns =
    "id bigserial, timestamp timestamptz not null default now(), severity text not null,"
    " message text";

std::string events_of(pqxx::connection& connection, const std::string& log) {
  return of_events(connection, "select count(*) from events where log = '" + log + "'::regclass");
}

// How many rows of the table do not carry the number of the transaction that wrote them.
std::string foreign_xids(pqxx::connection& connection, const std::string& log,
                         const std::string& column = "xid") {
  return query(connection, "select count(*) from " + log + " where (" + column +
                               "::text::bigint % 4294967296) is distinct from xmin::text::bigint");
}

}  // namespace

TEST_CASE("an ordinary table is watched without a rewrite, and twice is as good as once") {
  const auto connection = connect(server_of<WatchedLogsTest>().conninfo());
  const std::string log = make_log(*connection, usual_columns);
  rows(*connection, "insert into " + log + " (severity) select 'error' from generate_series(1, 9)");
  const std::string file = "select relfilenode from pg_class where oid = '" + log + "'::regclass";
  const std::string before = query(*connection, file);
  CHECK(watch(*connection, "'" + log + "'").size() == 2);
  CHECK(watch_wholly(*connection, "'" + log + "'").empty());
  CHECK(query(*connection, file) == before);
  CHECK(query(*connection, "select count(*) from " + log + " where xid is null") == "9");

  const std::string state =
      "select (select string_agg(oid || ':' || xmin, ' ' order by oid) from pg_trigger"
      " where tgrelid = '" +
      log + "'::regclass) || (select version from ops.watched_logs where log = '" + log +
      "'::regclass) || (select xmin from pg_class where oid = '" + log + "'::regclass)";
  const std::string once = query(*connection, state);
  CHECK(watch(*connection, "'" + log + "'").empty());
  CHECK(watch(*connection, "'" + log + "', p_severities => '{critical,error,error}'").empty());
  CHECK(query(*connection, state) == once);
}

TEST_CASE("an index that was left invalid is dropped and made again") {
  const auto connection = connect(server_of<WatchedLogsTest>().conninfo());
  const std::string log = make_log(*connection, usual_columns);
  watch_wholly(*connection, "'" + log + "'");
  const std::string index = "app.rollbackd_" + log.substr(4) + "_xid";
  rows(*connection,
       "update pg_index set indisvalid = false where indexrelid = '" + index + "'::regclass");
  const auto left = watch(*connection, "'" + log + "'");
  REQUIRE(left.size() == 2);
  CHECK(left[0] == "drop index concurrently " + index);
  CHECK(watch_wholly(*connection, "'" + log + "'").empty());
}

TEST_CASE("other severities get another doorbell, and indexes in place of the old ones") {
  const auto connection = connect(server_of<WatchedLogsTest>().conninfo());
  const std::string log = make_log(*connection, usual_columns);
  watch_wholly(*connection, "'" + log + "'");
  CHECK(watch_wholly(*connection, "'" + log + "', p_severities => '{fatal}'").empty());
  CHECK(query(*connection,
              "select count(*) from pg_indexes where schemaname || '.' || tablename ="
              " '" +
                  log + "' and indexname like 'rollbackd%'") == "2");
  Listener listener{server_of<WatchedLogsTest>().conninfo()};
  const HeldKey key{server_of<WatchedLogsTest>().conninfo()};
  rows(*connection, "insert into " + log + " (severity) values ('error')");
  CHECK(listener.rings() == 0);
  rows(*connection, "insert into " + log + " (severity) values ('fatal')");
  CHECK(listener.rings() == 1);
  CHECK(events_of(*connection, log) == "1");
}

TEST_CASE("columns of other names, an enum, own environments and services, and their defaults") {
  const auto connection = connect(server_of<WatchedLogsTest>().conninfo());
  rows(*connection,
       "create schema if not exists app; create type app.\"Level\" as enum"
       " ('info', 'error', 'fatal')");
  const std::string log =
      make_log(*connection,
               "n integer, ts timestamp(3), \"Lv\" app.\"Level\", txt varchar(99), env text,"
               " svc varchar(9), extra jsonb, dep uuid, src text");
  CHECK(watch_wholly(*connection,
                     "'" + log +
                         "', p_key => 'n', p_timestamp => 'ts', p_severity => 'Lv',"
                         " p_message => 'txt', p_source => 'src', p_metadata => 'extra',"
                         " p_environment => 'env', p_service => 'svc', p_deployment_id => 'dep',"
                         " p_severities => '{error,fatal,critical}',"
                         " p_default_environment => 'it''s', p_default_service => 'web'")
            .empty());
  Listener listener{server_of<WatchedLogsTest>().conninfo()};
  const HeldKey key{server_of<WatchedLogsTest>().conninfo()};
  rows(*connection, "set timezone = 'Asia/Kathmandu'; insert into " + log +
                        " values (1, '2026-01-01 12:00', 'error', 'm', '', null, '{\"a\": 1}',"
                        " '00000000-0000-0000-0000-000000000001', 's'),"
                        " (2, '2026-01-01 12:00', 'fatal', 'm', 'e', 'x', null, null, null),"
                        " (3, '2026-01-01 12:00', 'info', 'm', 'e', 'x', null, null, null)");
  CHECK(listener.rings() == 1);
  CHECK(of_events(*connection,
                  "select string_agg(concat_ws('|', event_id, at at time zone 'UTC', environment,"
                  " service, deployment_id, severity, source, message, metadata), ' ' order by"
                  " event_id) from events where log = '" +
                      log + "'::regclass") ==
        "1|2026-01-01 12:00:00|it's|web|00000000-0000-0000-0000-000000000001|error|s|m|{\"a\": 1}"
        " 2|2026-01-01 12:00:00|e|x|fatal|m");
  CHECK(foreign_xids(*connection, log) == "0");
}

TEST_CASE("severities that are numbers, and a table that has an xid of its own") {
  const auto connection = connect(server_of<WatchedLogsTest>().conninfo());
  const std::string log = make_log(*connection,
                                   "id bigserial, at timestamptz default now(),"
                                   " level smallint, message text, xid text");
  const std::string arguments =
      "'" + log + "', p_timestamp => 'at', p_severity => 'level', p_severities => '{-1,50}'";
  CHECK(watch_wholly(*connection, arguments).empty());
  Listener listener{server_of<WatchedLogsTest>().conninfo()};
  const HeldKey key{server_of<WatchedLogsTest>().conninfo()};
  rows(*connection, "set session_replication_role = replica; insert into " + log +
                        " (level, xid, rollbackd_xid) values (50, 'a', '3'),"
                        " (-1, 'b', null), (40, 'c', '5')");
  CHECK(listener.rings() == 1);
  CHECK(events_of(*connection, log) == "2");
  CHECK(of_events(*connection, "select count(*) from events where log = '" + log +
                                   "'::regclass and xid::text::bigint % 4294967296 ="
                                   " row_xmin::text::bigint") == "2");
}

TEST_CASE("severities of any characters ring, and are found as they should be when asked again") {
  const auto connection = connect(server_of<WatchedLogsTest>().conninfo());
  const std::string log = make_log(
      *connection,
      "id bigserial, timestamp timestamptz default now(), message text, severity varchar(20)");
  const std::string arguments =
      "'" + log + R"(', p_severities => array['a"b', 'it''s', 'g, h', '{x}', 'a::b'])";
  CHECK(watch_wholly(*connection, arguments).empty());
  CHECK(query(*connection,
              "select count(*) from ops.watched_logs w, ops.rollbackd_attach_steps(w) s"
              " where w.log = '" +
                  log + "'::regclass") == "0");
  Listener listener{server_of<WatchedLogsTest>().conninfo()};
  const HeldKey key{server_of<WatchedLogsTest>().conninfo()};
  for (const char* severity : {"a\"b", "it''s", "g, h", "{x}", "a::b"}) {
    rows(*connection, "insert into " + log + " (severity) values ('" + severity + "')");
    CHECK(listener.rings() == 1);
  }
  rows(*connection, "insert into " + log + " (severity) values ('a'), ('x'), ('g'), (null)");
  CHECK(listener.rings() == 0);
}

TEST_CASE("a severity that is computed can be watched") {
  const auto connection = connect(server_of<WatchedLogsTest>().conninfo());
  const std::string log =
      make_log(*connection,
               "id bigserial, timestamp timestamptz default now(), message text,"
               " severity text generated always as (case when message like 'E%' then 'error'"
               " else 'info' end) stored");
  CHECK(watch_wholly(*connection, "'" + log + "'").empty());
  rows(*connection, "set session_replication_role = replica; insert into " + log +
                        " (message, xid) values ('E1', '3'), ('I2', '3')");
  CHECK(events_of(*connection, log) == "1");
  CHECK(foreign_xids(*connection, log) == "0");
}

TEST_CASE("replicated rows whose xid is null, of elsewhere, or comes with a COPY are stamped") {
  const auto connection = connect(server_of<WatchedLogsTest>().conninfo());
  const std::string log = make_log(*connection, usual_columns);
  watch_wholly(*connection, "'" + log + "'");
  rows(*connection, "set session_replication_role = replica");
  rows(*connection, "insert into " + log +
                        " (severity, xid) values ('error', null),"
                        " ('error', '3'), ('critical', '18446744073709551615')");
  rows(*connection, "copy " + log + " (severity, xid) from program 'printf \"error\\t7\\n\"'");
  CHECK(foreign_xids(*connection, log) == "0");
}

TEST_CASE("a column that was renamed fails no writer") {
  const auto connection = connect(server_of<WatchedLogsTest>().conninfo());
  const std::string log = make_log(*connection, usual_columns);
  watch_wholly(*connection, "'" + log + "'");
  rows(*connection, "alter table " + log + " rename column xid to other");
  CHECK_NOTHROW(
      rows(*connection, "insert into " + log + " (severity, other) values ('error', '3')"));
  rows(*connection, "alter table " + log + " rename column other to xid");
}

TEST_CASE("types of columns that are not used can be changed, and the table can be dropped") {
  InstalledPostgres postgres;
  const auto connection = connect(postgres.conninfo());
  const std::string log = make_log(*connection, usual_columns + ", x integer");
  watch_wholly(*connection, "'" + log + "'");
  CHECK_NOTHROW(rows(*connection, "alter table " + log + " alter column x type bigint"));
  CHECK_NOTHROW(rows(*connection, "alter table " + log + " alter column message type varchar(9)"));
  const std::string sum = "select coalesce(sum(version), 0) from ops.watched_logs";
  const std::string before = query(*connection, sum);
  const std::string oid = query(*connection, "select '" + log + "'::regclass::oid");
  rows(*connection, "drop table " + log);
  CHECK(of_events(*connection, "select count(*) from events") == "0");
  const auto state = engine::check_schema(*connect(postgres.conninfo("rollbackd")));
  REQUIRE(state);
  CHECK(state->is_complete());
  REQUIRE(state->warnings.size() == 1);
  CHECK(state->warnings[0].text.find("the log " + oid + " is gone") == 0);
  CHECK_FALSE(install(postgres.conninfo()).outcome.changed);
  rows(*connection, "select ops.unwatch_error_log(" + oid + ")");
  CHECK(query(*connection, sum) != before);
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
}

TEST_CASE(
    "a log that is not watched any more rings no bell and counts no more, until it is again") {
  const auto connection = connect(server_of<WatchedLogsTest>().conninfo());
  const std::string log = make_log(*connection, usual_columns);
  watch_wholly(*connection, "'" + log + "'");
  const std::string sum = "select sum(version) from ops.watched_logs";
  const std::string watched = query(*connection, sum);
  rows(*connection, "insert into " + log + " (severity) values ('error')");
  rows(*connection, "select ops.unwatch_error_log('" + log + "')");
  const std::string unwatched = query(*connection, sum);
  CHECK(unwatched != watched);
  CHECK(events_of(*connection, log) == "0");
  CHECK(query(*connection,
              "select count(*) from pg_trigger where tgrelid = '" + log + "'::regclass") == "0");
  rows(*connection, "select ops.unwatch_error_log('" + log + "')");
  CHECK(query(*connection, sum) == unwatched);
  rows(*connection, "insert into " + log + " (severity) values ('error')");

  CHECK(watch(*connection, "'" + log + "'").empty());
  CHECK(query(*connection, sum) != watched);
  CHECK(query(*connection, sum) != unwatched);
  CHECK(events_of(*connection, log) == "2");
}

TEST_CASE("our own log stays unwatched once somebody has said so, also after another install") {
  InstalledPostgres postgres;
  const auto connection = connect(postgres.conninfo());
  rows(*connection, "select ops.unwatch_error_log('ops.system_logs')");
  install_into(postgres.conninfo());
  CHECK(
      query(*connection, "select string_agg(log::text, ' ') from ops.watched_logs where watched") ==
      "ops.heartbeats");
  CHECK(of_events(*connection, "select count(*) from events") == "0");
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
}

TEST_CASE("health counts over all watched logs, also for who may read none of them") {
  InstalledPostgres postgres;
  const auto connection = connect(postgres.conninfo());
  const std::string log = make_log(*connection, usual_columns);
  watch_wholly(*connection, "'" + log + "'");
  rows(*connection,
       "insert into ops.deployments (environment, version, git_commit, git_branch,"
       " status, deployed_at) values ('production', '1', 'c', 'main', 'success',"
       " now() - interval '1 hour')");
  rows(*connection,
       "insert into ops.system_logs (severity, source, message) values"
       " ('error', 's', 'm'); insert into " +
           log +
           " (severity) values ('error'),"
           " ('critical'), ('info')");
  const std::string ask =
      "select ops.get_deployment_health(deployment_id) ->> 'recent_errors'"
      " from ops.deployments";
  CHECK(query(*connection, ask) == "3");
  CHECK(query(postgres.conninfo(), "set role rollbackd_writer; " + ask) == "3");
  rows(*connection, "select ops.unwatch_error_log('" + log + "')");
  CHECK(query(*connection, ask) == "1");
}

TEST_CASE("the daemon's role reads every event, and what it lacks is named by table") {
  InstalledPostgres postgres;
  const auto connection = connect(postgres.conninfo());
  const std::string log = make_log(*connection, usual_columns);
  rows(*connection, "alter table " + log + " enable row level security");
  watch_wholly(*connection, "'" + log + "'");
  rows(*connection, "insert into " + log + " (severity) values ('error')");
  const auto missing = [&] {
    const auto state = engine::check_schema(*connect(postgres.conninfo("rollbackd")));
    REQUIRE(state);
    return state->missing.empty() ? std::string{} : state->missing.front().text;
  };
  CHECK(missing() == "");
  CHECK(events_of(*connect(postgres.conninfo("rollbackd")), log) == "1");
  for (const auto& [damage, said] : std::vector<std::pair<std::string, std::string>>{
           {"alter table " + log + " enable trigger user",
            "the trigger rollbackd_ring on " + log + " as ENABLE ALWAYS"},
           {"drop trigger rollbackd_stamp on " + log, "the trigger rollbackd_stamp on " + log},
           {"revoke select on " + log + " from rollbackd", "the right to select on " + log},
           {"revoke usage on schema app from rollbackd", "the right to use the schema app"},
           {"drop policy rollbackd_policy_rollbackd on " + log,
            "all rows of " + log + ": row-level security hides some"}}) {
    rows(*connection, damage);
    CHECK_MESSAGE(missing() == said, damage);
    install_into(postgres.conninfo());
    CHECK_MESSAGE(missing() == "", damage);
  }
  rows(*connection, "alter table " + log + " rename column message to gone");
  CHECK(missing() == "the column " + log + ".message");
  rows(*connection, "alter table " + log + " rename column gone to message");
  rows(*connection, "drop index app.rollbackd_" + log.substr(4) + "_timestamp");
  const auto state = engine::check_schema(*connect(postgres.conninfo("rollbackd")));
  REQUIRE(state->warnings.size() == 1);
  CHECK(state->warnings[0].text == "the index of " + log +
                                       " over its timestamp is missing or invalid:"
                                       " run `rollbackd install`");
  CHECK(install(postgres.conninfo()).outcome.changed);
  CHECK(watch(*connection, "'" + log + "'").empty());
}

TEST_CASE("uninstalling lets go of people's logs, and their writers go on") {
  InstalledPostgres postgres;
  const auto connection = connect(postgres.conninfo());
  const std::string log = make_log(*connection, usual_columns);
  rows(*connection, "alter table " + log + " enable row level security");
  watch_wholly(*connection, "'" + log + "'");
  std::ostringstream out;
  REQUIRE(engine::uninstall({postgres.conninfo(), ""}, false, out));
  CHECK(query(*connection,
              "select (select count(*) from pg_trigger where tgname like 'rollbackd%')"
              " + (select count(*) from pg_policy) + (select count(*) from pg_indexes"
              " where indexname like 'rollbackd%')") == "0");
  CHECK_NOTHROW(rows(*connection, "insert into " + log + " (severity) values ('error')"));
  CHECK(query(*connection, "select count(xid) from " + log) == "1");
}

}  // namespace rollbackd::tests
