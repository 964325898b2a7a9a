#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "tests/support/installed.hpp"

// What each role may do and no more, and what check_schema() says about it.

namespace rollbackd::tests {
namespace {

struct RightsTest;

const std::string refused = "42501";

// The SQLSTATE of the statement as this role, empty if it is allowed; undone.
std::string as(const std::string& role, const std::string& sql) {
  const auto connection = connect(server_of<RightsTest>().conninfo());
  rows(*connection, "set role " + role);
  return failure_of(*connection, sql);
}

const std::string deployment =
    "insert into ops.deployments (environment, version, git_commit, git_branch) values"
    " ('e', '1', 'c', 'main');";

// What the daemon lacks as this user, each in a line.
std::string missing(const Postgres& postgres, const std::string& user = "rollbackd") {
  const auto state = engine::check_schema(*connect(postgres.conninfo(user)));
  REQUIRE(state);
  std::string text;
  for (const auto& what : state->missing) {
    text += what.text + '\n';
  }
  return text;
}

std::string reinstalled(const Postgres& postgres) {
  install_into(postgres.conninfo());
  return missing(postgres);
}

}  // namespace

TEST_CASE("the daemon may do what it does") {
  for (const std::string sql :
       {"select * from ops.system_logs",
        "select * from ops.response_times",
        "delete from ops.response_times",
        "update ops.deployments set status = 'success'",
        "insert into ops.rollback_events (trigger_type, trigger_reason) values ('manual', 'r');"
        " update ops.rollback_events set status = 'success'",
        "insert into ops.system_snapshots (snapshot_type) values ('pre_rollback');"
        " delete from ops.system_snapshots",
        "select * from ops.migration_history",
        "update ops.migration_history set rolled_back_at = now(), rollback_successful = true,"
        " execution_time_ms = 1, error_message = 'x', metadata = '{}'",
        "insert into ops.roman_events (event_type, severity) values ('warning', 'info');"
        " delete from ops.roman_events",
        "insert into ops.outbox (kind, payload) values ('k', '{}'); update ops.outbox set attempts "
        "= 1;"
        " delete from ops.outbox",
        "update ops.control set paused = true",
        "update ops.leader set epoch = epoch + 1",
        "insert into ops.breakers (environment, reason) values ('e', 'r');"
        " update ops.breakers set closed_at = now()",
        "insert into ops.heartbeats default values; delete from ops.heartbeats",
        "insert into ops.alerts values ('f', 'a', 'e', 's', now());"
        " update ops.alerts set summary = ''; delete from ops.alerts",
        "select ops.rollbackd_set_initiator(null, null)",
        "select * from ops.rollbackd_schema",
        "select * from ops.rollbackd_connections()",
        "select ops.deployment_at('e', 'app', now())",
        "select ops.get_deployment_health(null)",
        "select ops.get_rollback_target(null::uuid), ops.get_rollback_target('e')",
        "select pg_advisory_lock(8245928655501484907); listen rollbackd; notify rollbackd"}) {
    CHECK_MESSAGE(as("rollbackd", deployment + sql) == "", sql);
  }
  CHECK(as("rollbackd", deployment +
                            "select ops.create_system_snapshot(deployment_id, 'pre_rollback'),"
                            " ops.record_rollback_event(deployment_id, 'manual', 'r', null)"
                            " from ops.deployments") == "");
}

TEST_CASE("the daemon may not touch people's rows, definitions, or anything else") {
  for (const std::string sql :
       {"update ops.system_logs set message = ''",
        "delete from ops.system_logs",
        "insert into ops.system_logs (severity, source, message) values ('error', 's', 'm')",
        "truncate ops.system_logs",
        "delete from ops.deployments",
        "delete from ops.rollback_events",
        "update ops.roman_events set severity = 'info'",
        "delete from ops.migration_history",
        "update ops.migration_history set rollback_script = 'drop table x'",
        "insert into ops.migration_history (migration_name, migration_hash) values ('n', 'h')",
        "insert into ops.control values (true)",
        "delete from ops.control",
        "delete from ops.leader",
        "insert into ops.leader values (1)",
        "delete from ops.breakers",
        "update ops.system_snapshots set table_counts = null",
        "update ops.rollbackd_schema set name = ''",
        "drop table ops.outbox",
        "alter table ops.deployments add column x int",
        "create table ops.x (a int)",
        "drop trigger rollbackd_ring on ops.system_logs",
        "alter table ops.system_logs disable trigger rollbackd_ring",
        "create role x"}) {
    CHECK_MESSAGE(as("rollbackd", sql) == refused, sql);
  }
}

TEST_CASE(
    "an application may log errors and response times, and not say when they were committed") {
  for (const std::string sql :
       {"insert into ops.system_logs (severity, source, message) values ('error', 's', 'm')",
        "insert into ops.system_logs (timestamp, severity, source, message, metadata, environment,"
        " service, deployment_id) values (now(), 'error', 's', 'm', '{}', 'e', 's', "
        "gen_random_uuid())",
        "insert into ops.response_times (duration_ms) values (1.5)"}) {
    CHECK_MESSAGE(as("rollbackd_writer", sql) == "", sql);
  }
  for (const std::string sql :
       {"insert into ops.system_logs (severity, source, message, xid) values ('error', 's', 'm', "
        "'3')",
        "insert into ops.response_times (duration_ms, xid) values (1.5, '3')",
        "select * from ops.system_logs", "update ops.system_logs set message = ''",
        "delete from ops.system_logs", "truncate ops.system_logs"}) {
    CHECK_MESSAGE(as("rollbackd_writer", sql) == refused, sql);
  }
}

TEST_CASE("a pipeline may record deployments and migrations, not vouch for them") {
  for (const std::string sql :
       {"update ops.deployments set status = 'failed', completed_at = now() where version = '1'",
        "insert into ops.deployments (environment, service, version, git_commit, git_branch, "
        "status,"
        " metadata, deployed_at) values ('e', 's', '1', 'c', 'b', 'success', '{}', now())",
        "insert into ops.migration_history (migration_name, migration_hash, metadata)"
        " values ('n', 'h', '{}')",
        "select * from ops.deployments",
        "select ops.create_system_snapshot(deployment_id, 'pre_deployment') from ops.deployments",
        "select ops.get_deployment_health(deployment_id) from ops.deployments",
        "select ops.get_rollback_target('e')"}) {
    CHECK_MESSAGE(as("rollbackd_writer", deployment + sql) == "", sql);
  }
  for (const std::string sql :
       {"update ops.deployments set health_check_passed = true",
        "insert into ops.deployments (environment, version, git_commit, git_branch,"
        " health_check_passed) values ('e', '1', 'c', 'b', true)",
        "update ops.deployments set rollback_from = null", "update ops.deployments set xid = '3'",
        "update ops.deployments set rolled_back_at = null", "delete from ops.deployments",
        "insert into ops.migration_history (migration_name, migration_hash, rollback_script)"
        " values ('n', 'h', 'drop table x')",
        "update ops.migration_history set metadata = '{}'", "select * from ops.rollback_events",
        "insert into ops.rollback_events (trigger_type, trigger_reason) values ('manual', 'r')",
        "update ops.control set paused = true", "select * from ops.outbox",
        "select * from ops.leader", "select * from ops.breakers", "select * from ops.request_keys",
        "update ops.breakers set closed_at = now()", "insert into ops.heartbeats default values",
        "insert into ops.alerts values ('f', 'a', 'e', 's', now())",
        "update ops.migration_history set rollback_script = 'drop table x'"}) {
    CHECK_MESSAGE(as("rollbackd_writer", sql) == refused, sql);
  }
}

TEST_CASE("a dashboard may read everything and write nothing") {
  for (const std::string table :
       {"system_logs", "response_times", "alerts", "heartbeats", "deployments", "rollback_events",
        "system_snapshots", "migration_history", "roman_events", "outbox", "control", "leader",
        "breakers", "request_keys", "rollbackd_schema"}) {
    CHECK_MESSAGE(as("rollbackd_reader", "select * from ops." + table) == "", table);
    CHECK_MESSAGE(as("rollbackd_reader", "delete from ops." + table) == refused, table);
    CHECK_MESSAGE(as("rollbackd_reader", "insert into ops." + table + " default values") == refused,
                  table);
  }
  CHECK(as("rollbackd_reader",
           "select ops.get_deployment_health(null), ops.get_rollback_target('e')") == "");
}

TEST_CASE("a caller who may read nothing counts the errors that there are") {
  const auto connection = connect(server_of<RightsTest>().conninfo());
  pqxx::work work{*connection};
  work.exec(
      "create role nobody_special; grant usage on schema ops to nobody_special;"
      "grant execute on function ops.get_deployment_health(uuid) to nobody_special");
  work.exec(deployment +
            "update ops.deployments set status = 'success' where version = '1';"
            "insert into ops.system_logs (severity, source, message, environment)"
            " values ('error', 's', 'm', 'e')");
  const std::string id = work.exec("select deployment_id from ops.deployments")[0][0].c_str();
  work.exec("set local role nobody_special");
  CHECK(std::string{
            work.exec("select ops.get_deployment_health('" + id + "') ->> 'recent_errors'")[0][0]
                .c_str()} == "1");
}

TEST_CASE(
    "the functions that run as their owner cannot be led astray by the caller's search_path") {
  const auto connection = connect(server_of<RightsTest>().conninfo());
  pqxx::work work{*connection};
  work.exec(
      "create schema evil; create function evil.now() returns timestamptz language plpgsql as"
      " 'begin raise exception ''led astray''; end';"
      "set local search_path = evil, pg_catalog;"
      "create temporary table deployments (a int)");
  CHECK_NOTHROW(work.exec(deployment));
  CHECK_NOTHROW(
      work.exec("select ops.get_deployment_health(deployment_id),"
                " ops.create_system_snapshot(deployment_id, 'pre_rollback'),"
                " ops.record_rollback_event(deployment_id, 'manual', 'r', null)"
                " from ops.deployments"));
}

TEST_CASE("a missing part is named, and installing again brings it back") {
  const InstalledPostgres postgres;
  CHECK(missing(postgres) == "");
  const std::vector<std::pair<std::string, std::string>> damages{
      {"drop table ops.outbox", "the table ops.outbox\n"},
      {"alter table ops.system_logs drop column xid cascade", "the column ops.system_logs.xid\n"},
      {"alter table ops.system_logs disable trigger rollbackd_ring",
       "the trigger rollbackd_ring on ops.system_logs (it is disabled, not ENABLE ALWAYS)\n"},
      {"alter table ops.deployments enable trigger user",
       "the trigger rollbackd_before_deployment on ops.deployments as ENABLE ALWAYS\n"
       "the trigger rollbackd_ring on ops.deployments as ENABLE ALWAYS\n"},
      {"drop trigger rollbackd_before_deployment on ops.deployments",
       "the trigger rollbackd_before_deployment on ops.deployments\n"},
      {"drop index ops.rollbackd_rollback_events_active",
       "the index rollbackd_rollback_events_active, valid\n"},
      {"drop function ops.get_deployment_health(uuid)",
       "the function ops.get_deployment_health(uuid), with the right to call it\n"},
      {"revoke execute on function ops.create_system_snapshot(uuid, text) from rollbackd",
       "the function ops.create_system_snapshot(uuid,text), with the right to call it\n"},
      {"revoke insert, update on ops.deployments from rollbackd",
       "the right to insert on ops.deployments\nthe right to update on ops.deployments\n"},
      {"revoke usage on schema ops from rollbackd", "the right to use the schema ops\n"},
      {"delete from ops.control", "exactly one row in ops.control\n"},
      {"delete from ops.leader", "exactly one row in ops.leader\n"},
      {"drop table ops.breakers", "the table ops.breakers\n"},
      {"drop trigger rollbackd_ring on ops.system_logs; create trigger rollbackd_ring after insert "
       "on"
       " ops.system_logs for each row execute function ops.rollbackd_ring()",
       "the trigger rollbackd_ring on ops.system_logs as ENABLE ALWAYS\n"},
  };
  for (const auto& [damage, said] : damages) {
    rows(postgres.conninfo(), damage);
    CHECK_MESSAGE(missing(postgres) == said, damage);
    CHECK_MESSAGE(reinstalled(postgres) == "", damage);
  }
}

TEST_CASE("a database without any of it is told in one line with the remedy") {
  const Postgres postgres;
  const auto state = engine::check_schema(*connect(postgres.conninfo()));
  REQUIRE(state);
  CHECK(state->problem() ==
        "the database lacks the schema ops; run `rollbackd install` with the conninfo of an owner "
        "of the"
        " tables");
}

TEST_CASE("row-level security does not blind the daemon, and a restrictive policy is named") {
  const InstalledPostgres postgres;
  rows(postgres.conninfo(),
       "alter table ops.system_logs enable row level security;"
       "insert into ops.deployments (environment, version, git_commit, git_branch, status, "
       "deployed_at)"
       " values ('production', '1', 'c', 'main', 'success', now() - interval '1 hour')");
  CHECK(missing(postgres) == "all rows of ops.system_logs: row-level security hides some\n");
  CHECK(reinstalled(postgres) == "");
  rows(postgres.conninfo(),
       "set role rollbackd_writer; insert into ops.system_logs (severity, source,"
       " message) values ('error', 's', 'm')");
  CHECK(query(postgres.conninfo("rollbackd"), "select count(*) from ops.system_logs") == "1");
  CHECK(query(postgres.conninfo(),
              "set role rollbackd_reader; select ops.get_deployment_health("
              "deployment_id) ->> 'recent_errors' from ops.deployments") == "1");

  rows(postgres.conninfo(),
       "create policy mine on ops.system_logs as restrictive using (source = 'a')");
  CHECK(missing(postgres) ==
        "all rows of ops.system_logs: row-level security hides some, policy mine\n");
  CHECK(missing(postgres, "postgres") == "");
  rows(postgres.conninfo(),
       "drop policy mine on ops.system_logs;"
       "create policy theirs on ops.system_logs as restrictive to rollbackd_reader"
       " using (false)");
  CHECK(missing(postgres) == "");
}

TEST_CASE("a superuser, missing statistics and a missing index are warnings") {
  const InstalledPostgres postgres;
  const auto warnings = [&](const std::string& user) {
    const auto state = engine::check_schema(*connect(postgres.conninfo(user)));
    REQUIRE(state);
    CHECK(state->is_complete());
    std::string text;
    for (const auto& warning : state->warnings) {
      text += warning.text + '\n';
    }
    return text;
  };
  CHECK(warnings("rollbackd") == "");
  CHECK(warnings("postgres").find("superuser") != std::string::npos);
  rows(postgres.conninfo(),
       "revoke pg_read_all_stats from rollbackd; drop index ops.rollbackd_system_logs_xid");
  CHECK(warnings("rollbackd") ==
        "the index of ops.system_logs over its xid is missing or invalid: run `rollbackd install`\n"
        "this user sees no other sessions: grant pg_read_all_stats to rollbackd\n");
}

TEST_CASE("where the lock function is not for everybody there is no bell, and inserts go on") {
  const Postgres postgres;
  rows(
      postgres.conninfo(),
      "revoke execute on function pg_catalog.pg_try_advisory_xact_lock_shared(bigint) from public");
  CHECK(install_into(postgres.conninfo()).find("no doorbell on ops.system_logs") !=
        std::string::npos);
  CHECK(missing(postgres) == "");
  CHECK_NOTHROW(rows(postgres.conninfo(),
                     "set role rollbackd_writer; insert into ops.system_logs"
                     " (severity, source, message) values ('error', 's', 'm')"));
}

}  // namespace rollbackd::tests
