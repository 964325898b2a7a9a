#include <string>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "tests/support/installed.hpp"
#include "tests/support/procedures.hpp"

// Installing over what others made, and by users who may not do everything.

namespace rollbackd::tests {
namespace {

const std::string original_tables = tables_of_the_procedures();

}  // namespace

TEST_CASE("the original tables keep their rows, gain what they lack, and are not rewritten") {
  const Postgres postgres;
  rows(postgres.conninfo(), original_tables);
  const std::string file_of =
      "select relfilenode from pg_class where oid = 'ops.system_logs'::regclass";
  const std::string file = query(postgres.conninfo(), file_of);
  const Installed said = install(postgres.conninfo());
  CHECK(said.outcome.left_over.empty());

  const auto ask = [&](const std::string& sql) { return query(postgres.conninfo(), sql); };
  CHECK(ask(file_of) == file);
  CHECK(ask("select service || (xid is null) from ops.deployments") == "apptrue");
  CHECK(ask("select environment || service || (xid is null) from ops.system_logs") ==
        "productionapptrue");
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");

  // New defaults hold, the old list of environments does not, and nothing refuses what went before.
  CHECK(ask("insert into ops.deployments (environment, version, git_commit, git_branch)"
            " values ('qa', '2', 'c', 'main') returning status || (deployment_id is not null)") ==
        "pendingtrue");
  CHECK(ask("insert into ops.deployments (environment, version, git_commit, git_branch, status, "
            "service)"
            " values ('qa', '2', 'c', 'main', 'queued', null) returning status") == "queued");
  CHECK(ask("insert into ops.system_logs (severity, environment) values ('fatal', null)"
            " returning xid is not null") == "t");
  CHECK(ask("insert into ops.rollback_events (trigger_type, trigger_reason) values ('other', 'r')"
            " returning (event_id is not null) || status") == "truepending");
  CHECK_FALSE(install(postgres.conninfo()).outcome.changed);
}

TEST_CASE(
    "an installation from before there were leaders and breakers gains them and keeps its rows") {
  const InstalledPostgres postgres;
  rows(postgres.conninfo(),
       "drop table ops.leader, ops.breakers;"
       "drop function ops.rollbackd_set_initiator(uuid, text);"
       "drop index ops.rollbackd_rollback_events_latch, ops.rollbackd_rollback_events_claimed,"
       " ops.rollbackd_rollback_events_completed_at, ops.rollbackd_rollback_events_rejected,"
       " ops.rollbackd_rollback_events_followed;"
       "update ops.control set paused = true, paused_by = 'somebody', reason = 'r', since = now();"
       "insert into ops.outbox (kind, payload) values ('k', '{}');"
       "insert into ops.rollback_events (trigger_type, trigger_reason, status, metadata)"
       " values ('automatic', 'r', 'failed', '{\"written_by\": \"rollbackd\"}')");
  CHECK(missing_in(postgres.conninfo("rollbackd")).find("ops.breakers") != std::string::npos);
  const Installed said = install(postgres.conninfo());
  CHECK(said.outcome.left_over.empty());
  CHECK(said.outcome.changed);
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
  const auto ask = [&](const std::string& sql) { return query(postgres.conninfo(), sql); };
  CHECK(ask("select paused || paused_by from ops.control") == "truesomebody");
  CHECK(ask("select count(*) from ops.outbox") == "1");
  CHECK(ask("select count(*) from ops.rollback_events") == "1");
  CHECK(ask("select string_agg(tableowner, ' ') from pg_tables"
            " where tablename in ('leader', 'breakers')") == "rollbackd_owner rollbackd_owner");
  rows(postgres.conninfo(),
       "update ops.leader set epoch = epoch + 7;"
       "insert into ops.breakers (environment, reason) values ('e', 'r')");
  const std::string kept =
      "select (select epoch from ops.leader) || ' ' || (select count(*) from ops.breakers)";
  const std::string before = ask(kept);
  CHECK_FALSE(install(postgres.conninfo()).outcome.changed);
  CHECK(ask(kept) == before);
}

TEST_CASE("a log whose time column is missing does not turn its old rows into events of today") {
  const Postgres postgres;
  rows(postgres.conninfo(),
       "create schema ops; create table ops.system_logs (id bigserial, severity text,"
       " message text); insert into ops.system_logs (severity) values ('error')");
  install(postgres.conninfo());
  CHECK(query(postgres.conninfo(),
              "select timestamp is null and xid is null from ops.system_logs") == "t");
  CHECK(
      query(
          postgres.conninfo(),
          "insert into ops.system_logs (severity) values ('error') returning timestamp = now()") ==
      "t");
}

TEST_CASE("people are those of auth.users where that table exists, and any uuid elsewhere") {
  const Postgres postgres;
  rows(postgres.conninfo(), "create schema auth; create table auth.users (id uuid primary key)");
  install(postgres.conninfo());
  const auto c = connect(postgres.conninfo());
  const std::string deploy =
      "insert into ops.deployments (environment, version, git_commit, git_branch, deployed_by)"
      " values ('e', '1', 'c', 'main', gen_random_uuid())";
  CHECK(failure_of(*c, deploy) == "23503");
  rows(postgres.conninfo("postgres", "postgres"), "create database plain");
  install(postgres.conninfo("postgres", "plain"));
  CHECK(failure_of(*connect(postgres.conninfo("postgres", "plain")), deploy) == "");
}

TEST_CASE("a person gets into initiated_by only if known, and nothing fails for the others") {
  const std::string known = "00000000-0000-0000-0000-00000000000a";
  const std::string unknown = "00000000-0000-0000-0000-00000000000b";
  const auto noted = [](const Postgres& postgres, const std::string& person) {
    rows(postgres.conninfo(),
         "delete from ops.rollback_events; insert into ops.rollback_events (event_id, trigger_type,"
         " trigger_reason) values ('00000000-0000-0000-0000-000000000001', 'manual', 'r')");
    rows(postgres.conninfo("rollbackd"),
         "select ops.rollbackd_set_initiator('00000000-0000-0000-0000-000000000001', '" + person +
             "')");
    return query(postgres.conninfo(), "select initiated_by from ops.rollback_events");
  };
  const Postgres with_people;
  rows(with_people.conninfo(),
       "create schema auth; create table auth.users (id uuid primary key);"
       "insert into auth.users values ('" +
           known + "')");
  install(with_people.conninfo());
  CHECK(noted(with_people, known) == known);
  CHECK(noted(with_people, unknown) == "");
  CHECK(noted(with_people, "discord:12345") == "");
  rows(with_people.conninfo(),
       "alter table ops.rollback_events drop constraint rollback_events_initiated_by_fkey");
  CHECK(noted(with_people, known) == "");

  const InstalledPostgres plain;
  CHECK(noted(plain, unknown) == unknown);
  CHECK(noted(plain, "somebody") == "");
}

TEST_CASE("functions of the original are replaced and keep their callers, whatever they returned") {
  const Postgres postgres;
  rows(postgres.conninfo(), R"(
    create role caller; create role service_role; create schema ops;
    create function ops.get_deployment_health(dep uuid) returns json language sql as 'select null::json';
    create function ops.create_system_snapshot(p_deployment_id uuid, p_snapshot_type text) returns uuid
      language sql as 'select null::uuid';
    create function ops.get_rollback_target(p_environment text) returns table (id bigint)
      language sql as 'select 1::bigint';
    revoke all on function ops.get_deployment_health(uuid) from public;
    grant execute on function ops.get_deployment_health(uuid) to caller;
  )");
  install(postgres.conninfo());
  const auto may = [&](const std::string& role, const std::string& function) {
    return query(postgres.conninfo(), "select has_function_privilege('" + role + "', 'ops." +
                                          function + "', 'execute')");
  };
  CHECK(may("caller", "get_deployment_health(uuid)") == "t");
  CHECK(may("public", "get_deployment_health(uuid)") == "f");
  CHECK(may("public", "create_system_snapshot(uuid,text)") == "t");
  CHECK(may("public", "get_rollback_target(text)") == "t");
  CHECK(may("public", "get_rollback_target(uuid)") == "f");
  CHECK(may("public", "record_rollback_event(uuid,text,text,uuid)") == "f");
  CHECK(may("service_role", "record_rollback_event(uuid,text,text,uuid)") == "t");
  CHECK(query(postgres.conninfo(),
              "select count(*) from pg_proc where proname like '%before_rollbackd'") == "0");
  CHECK_NOTHROW(query(postgres.conninfo(),
                      "select ops.get_deployment_health(p_deployment_id => gen_random_uuid())"));
  CHECK_FALSE(install(postgres.conninfo()).outcome.changed);
}

TEST_CASE("an installer who may not make roles does the rest and gives back what is left") {
  const Postgres postgres;
  rows(postgres.conninfo(), "create role plain login; grant create on database app to plain");
  const Installed first = install(postgres.conninfo("plain"));
  CHECK(first.outcome.left_over.find("create role rollbackd_owner nologin") != std::string::npos);
  CHECK(first.said.find("roles: not all of it is allowed to this user") != std::string::npos);
  CHECK(query(postgres.conninfo(),
              "select tableowner from pg_tables where tablename = 'deployments'") == "plain");
  CHECK(query(postgres.conninfo(),
              "select tgenabled from pg_trigger where tgname = 'rollbackd_ring'"
              " and tgrelid = 'ops.system_logs'::regclass") == "A");
  psql(postgres, first.outcome.left_over);
  const Installed second = install(postgres.conninfo("plain"));
  CHECK(second.outcome.left_over == "");
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
  CHECK_FALSE(install(postgres.conninfo("plain")).outcome.changed);
}

TEST_CASE("an installer who may make roles is no superuser and leaves nothing over") {
  const Postgres postgres;
  rows(postgres.conninfo(),
       "create role creator login createrole; grant create on database app to creator");
  CHECK(install(postgres.conninfo("creator")).outcome.left_over == "");
  CHECK(query(postgres.conninfo(),
              "select string_agg(distinct tableowner, ',') from pg_tables"
              " where schemaname = 'ops'") == "rollbackd_owner");
  CHECK(query(postgres.conninfo(),
              "select string_agg(distinct proowner::regrole::text, ',') from pg_proc"
              " where pronamespace = 'ops'::regnamespace"
              " and proname not in ('rollbackd_try', 'rollbackd_keep_private')") ==
        "rollbackd_owner");
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
}

TEST_CASE("what belongs to somebody else is given back as plain SQL for them, and only that") {
  const Postgres postgres;
  rows(postgres.conninfo(),
       "create role creator login createrole; create role logger login;" + original_tables +
           "grant create on database app to creator;"
           "alter schema ops owner to creator; alter table ops.deployments owner to creator;"
           "alter table ops.rollback_events owner to creator;"
           "alter table ops.system_snapshots owner to creator;"
           "alter table ops.migration_history owner to creator;"
           "alter table ops.roman_events owner to creator;"
           "alter table ops.system_logs owner to logger;"
           "grant usage on schema ops to logger");
  const Installed first = install(postgres.conninfo("creator"));
  INFO(first.outcome.left_over);
  CHECK(first.outcome.left_over.find("alter table ops.system_logs add column xid xid8") !=
        std::string::npos);
  CHECK(first.outcome.left_over.find(
            "create index concurrently if not exists rollbackd_system_logs_xid") !=
        std::string::npos);
  CHECK(first.outcome.left_over.find("grant select on ops.system_logs to rollbackd") !=
        std::string::npos);
  CHECK(first.outcome.left_over.find("ops.deployments") == std::string::npos);
  CHECK(first.outcome.left_over.find("create or replace trigger rollbackd_ring after insert on"
                                     " ops.system_logs") != std::string::npos);
  psql(postgres, first.outcome.left_over);
  const Installed second = install(postgres.conninfo("creator"));
  CHECK(second.outcome.left_over == "");
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
}

TEST_CASE("a partitioned log gets its indexes on every partition, also on later ones") {
  const Postgres postgres;
  rows(postgres.conninfo(), R"(
    create schema ops; create schema parts;
    create table ops.system_logs (id bigserial, timestamp timestamptz not null default now(), severity text)
      partition by range (timestamp);
    create table parts.old partition of ops.system_logs for values from (minvalue) to ('2020-01-01')
      partition by list (severity);
    create table parts.errors partition of parts.old for values in ('error');
    create table parts.rest partition of parts.old default;)");
  const Installed said = install(postgres.conninfo());
  CHECK(said.outcome.left_over == "");
  rows(postgres.conninfo(),
       "create table parts.new partition of ops.system_logs for values from ('2020-01-01') to "
       "(maxvalue)");
  CHECK(query(postgres.conninfo(),
              "select count(*) from pg_index i join pg_class c on c.oid = i.indexrelid"
              " where c.relname like 'rollbackd_system_logs%' and indisvalid") == "8");
  CHECK(query(postgres.conninfo(),
              "select count(*) from pg_indexes where schemaname = 'parts'"
              " and indexdef like '%(xid) WHERE%'") == "4");
  CHECK_FALSE(install(postgres.conninfo()).outcome.changed);
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
}

}  // namespace rollbackd::tests
