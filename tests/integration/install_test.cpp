#include <cstdlib>
#include <fstream>
#include <future>
#include <sstream>
#include <string>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "engine/store/embedded_sql.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/postgres_listener.hpp"

// Installing, on empty databases and over what is already there.

namespace rollbackd::tests {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file{path};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Runs a script with psql; its output. Stops at the first error.
std::string psql(const Postgres& postgres, const std::string& script,
                 const std::string& user = "postgres", const std::string& database = "app") {
  const auto file = postgres.directory() / "script.sql";
  const auto output = postgres.directory() / "script.out";
  std::ofstream{file} << script;
  const std::string command = "psql -X -q -v ON_ERROR_STOP=1 -d '" +
                              postgres.conninfo(user, database) + "' -f '" + file.string() +
                              "' > '" + output.string() + "' 2>&1 < /dev/null";
  const int status = std::system(command.c_str());
  const std::string said = read_file(output);
  CHECK_MESSAGE(status == 0, said);
  return said;
}

// The definition of everything in schema ops, rights included.
std::string definition(const Postgres& postgres, const std::string& database = "app") {
  const auto output = postgres.directory() / "dump.out";
  const std::string command = (Postgres::bindir() / "pg_dump").string() + " -s -n ops -d '" +
                              postgres.conninfo("postgres", database) + "' > '" + output.string() +
                              "' 2>&1 < /dev/null";
  REQUIRE(std::system(command.c_str()) == 0);
  std::istringstream dump{read_file(output)};
  std::string text;
  for (std::string line; std::getline(dump, line);) {
    if (line.rfind("\\", 0) != 0) {  // \restrict and a random number
      text += line + '\n';
    }
  }
  return text;
}

// Everything that a second install could have made anew.
std::string identities(const Postgres& postgres) {
  return query(
      postgres.conninfo(),
      "select string_agg(x, ' ' order by x) from ("
      " select oid || ':' || relfilenode from pg_class where relnamespace = 'ops'::regnamespace"
      " union all select 'f' || oid from pg_proc where pronamespace = 'ops'::regnamespace"
      " union all select 't' || oid || ':' || xmin from pg_trigger where tgname like 'rollbackd%'"
      " union all select 'v' || version || ':' || xmin from ops.rollbackd_schema) as s (x)");
}

struct Said {
  engine::InstallOutcome outcome;
  std::string text;
};

Said install(const std::string& conninfo) {
  std::ostringstream out;
  auto outcome = engine::install({conninfo, ""}, {}, out);
  if (!outcome) {
    FAIL(outcome.error().what);
  }
  return {outcome.value(), out.str()};
}

std::string missing_for(const std::string& conninfo) {
  const auto state = engine::check_schema(*connect(conninfo));
  REQUIRE(state);
  return state->problem();
}

// As the original procedures had them.
const std::string original_tables = R"(
create schema ops;
create table ops.deployments (
  id bigserial primary key, deployment_id uuid unique not null, environment text not null
  check (environment in ('staging', 'production')), version text not null, git_commit text not null,
  git_branch text not null, deployed_by uuid, deployed_at timestamptz default now(), status text not null,
  rollback_from uuid references ops.deployments(deployment_id), health_check_passed boolean default false,
  health_check_details jsonb, constitutional_validation jsonb, metadata jsonb, completed_at timestamptz,
  rolled_back_at timestamptz);
create table ops.rollback_events (
  id bigserial primary key, event_id uuid unique not null,
  deployment_id uuid references ops.deployments(deployment_id), trigger_type text not null,
  trigger_reason text not null, initiated_by uuid, initiated_at timestamptz default now(),
  status text not null, rollback_plan jsonb, rollback_steps jsonb[], constitutional_validation jsonb,
  completed_at timestamptz, metadata jsonb);
create table ops.system_snapshots (
  id bigserial primary key, snapshot_id uuid unique not null,
  deployment_id uuid references ops.deployments(deployment_id), snapshot_type text not null,
  database_schema_hash text, table_counts jsonb, key_metrics jsonb, environment_config jsonb,
  created_at timestamptz default now());
create table ops.migration_history (
  id bigserial primary key, deployment_id uuid references ops.deployments(deployment_id),
  migration_name text unique not null, migration_hash text not null, applied_at timestamptz default now(),
  rolled_back_at timestamptz, rollback_successful boolean, execution_time_ms integer, error_message text,
  rollback_script text, metadata jsonb);
create table ops.system_logs (
  id bigserial primary key, timestamp timestamptz not null default now(), severity text, source text,
  message text, metadata jsonb);
create table ops.roman_events (
  id bigserial primary key, timestamp timestamptz default now(), event_type text, severity text,
  metadata jsonb);
insert into ops.deployments (deployment_id, environment, version, git_commit, git_branch, status)
  values ('00000000-0000-0000-0000-000000000001', 'production', '1', 'c', 'main', 'success');
insert into ops.system_logs (severity, source, message) values ('error', 's', 'old');
)";

}  // namespace

TEST_CASE("installing a second time changes nothing and says so") {
  const InstalledPostgres postgres;
  const std::string before = definition(postgres);
  const std::string objects = identities(postgres);
  const Said again = install(postgres.conninfo());
  CHECK_FALSE(again.outcome.changed);
  CHECK(again.outcome.left_over.empty());
  std::istringstream lines{again.text};
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.find(": already installed") != std::string::npos, line);
  }
  CHECK(identities(postgres) == objects);
  CHECK(definition(postgres) == before);
  CHECK(missing_for(postgres.conninfo("rollbackd")) == "");
}

TEST_CASE("a second install waits for no writer and stops none") {
  const InstalledPostgres postgres;
  const auto writer = connect(postgres.conninfo());
  pqxx::work open{*writer};
  for (const char* table : {"deployments", "system_logs", "rollback_events", "roman_events",
                            "response_times", "migration_history", "system_snapshots"}) {
    open.exec(std::string{"lock table ops."} + table + " in share mode");
  }
  CHECK_FALSE(install(postgres.conninfo()).outcome.changed);
}

TEST_CASE("the printed script, run twice with psql, installs the same") {
  const InstalledPostgres postgres;
  rows(postgres.conninfo("postgres", "postgres"), "create database printed");
  std::ostringstream script;
  REQUIRE(engine::install({"host=/nowhere", ""}, {true}, script));
  CHECK(psql(postgres, script.str(), "postgres", "printed") == "");
  CHECK(definition(postgres, "printed") == definition(postgres));
  CHECK(psql(postgres, script.str(), "postgres", "printed") == "");
  CHECK_FALSE(install(postgres.conninfo("postgres", "printed")).outcome.changed);
}

TEST_CASE("every query that the procedures print runs, also as the daemon and as a dashboard") {
  const InstalledPostgres postgres;
  rows(postgres.conninfo(),
       "insert into ops.deployments (deployment_id, environment, version, git_commit,"
       " git_branch, status) values ('00000000-0000-0000-0000-000000000001',"
       " 'production', '1', 'c', 'main', 'success')");
  for (const char* role : {"postgres", "rollbackd", "rollbackd_reader"}) {
    for (const char* sql :
         {"SELECT d.deployment_id, d.version, d.environment, d.deployed_at,"
          " ops.get_deployment_health(d.deployment_id) as health FROM ops.deployments d"
          " WHERE d.status = 'success' AND d.environment = 'production'"
          " ORDER BY d.deployed_at DESC LIMIT 1",
          "SELECT * FROM ops.deployments WHERE deployment_id = "
          "'00000000-0000-0000-0000-000000000001'",
          "SELECT ops.get_deployment_health('00000000-0000-0000-0000-000000000001')",
          "SELECT * FROM ops.roman_events"
          " WHERE metadata->>'deployment_id' = '00000000-0000-0000-0000-000000000001'"
          " ORDER BY timestamp DESC LIMIT 10",
          "SELECT * FROM ops.roman_events WHERE event_type = 'rollback_validation'"
          " AND severity = 'error' ORDER BY timestamp DESC LIMIT 5",
          "SELECT * FROM ops.deployments WHERE environment = 'production' AND status = 'success'"
          " AND health_check_passed = true ORDER BY deployed_at DESC LIMIT 5",
          "SELECT * FROM ops.rollback_events ORDER BY initiated_at DESC LIMIT 10",
          "SELECT * FROM ops.deployments WHERE environment = 'production'"
          " ORDER BY deployed_at DESC LIMIT 1"}) {
      CHECK_NOTHROW_MESSAGE(rows(postgres.conninfo(), "set role " + std::string{role} + "; " + sql),
                            sql);
    }
  }
}

TEST_CASE("the original tables keep their rows, gain what they lack, and are not rewritten") {
  const Postgres postgres;
  rows(postgres.conninfo(), original_tables);
  const std::string file_of =
      "select relfilenode from pg_class where oid = 'ops.system_logs'::regclass";
  const std::string file = query(postgres.conninfo(), file_of);
  const Said said = install(postgres.conninfo());
  CHECK(said.outcome.left_over.empty());

  const auto ask = [&](const std::string& sql) { return query(postgres.conninfo(), sql); };
  CHECK(ask(file_of) == file);
  CHECK(ask("select service || (xid is null) from ops.deployments") == "apptrue");
  CHECK(ask("select environment || service || (xid is null) from ops.system_logs") ==
        "productionapptrue");
  CHECK(missing_for(postgres.conninfo("rollbackd")) == "");

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
  const Said first = install(postgres.conninfo("plain"));
  CHECK(first.outcome.left_over.find("create role rollbackd_owner nologin") != std::string::npos);
  CHECK(first.text.find("roles: not all of it is allowed to this user") != std::string::npos);
  CHECK(query(postgres.conninfo(),
              "select tableowner from pg_tables where tablename = 'deployments'") == "plain");
  CHECK(query(postgres.conninfo(),
              "select tgenabled from pg_trigger where tgname = 'rollbackd_ring'"
              " and tgrelid = 'ops.system_logs'::regclass") == "A");
  psql(postgres, first.outcome.left_over);
  const Said second = install(postgres.conninfo("plain"));
  CHECK(second.outcome.left_over == "");
  CHECK(missing_for(postgres.conninfo("rollbackd")) == "");
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
              " where pronamespace = 'ops'::regnamespace and proname <>"
              " 'rollbackd_try'") == "rollbackd_owner");
  CHECK(missing_for(postgres.conninfo("rollbackd")) == "");
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
  const Said first = install(postgres.conninfo("creator"));
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
  psql(postgres, first.outcome.left_over, "postgres");
  const Said second = install(postgres.conninfo("creator"));
  CHECK(second.outcome.left_over == "");
  CHECK(missing_for(postgres.conninfo("rollbackd")) == "");
}

TEST_CASE("two installers at the same time take turns") {
  const Postgres postgres;
  auto other = std::async(std::launch::async, [&] { return install_into(postgres.conninfo()); });
  CHECK_NOTHROW(install_into(postgres.conninfo()));
  CHECK_NOTHROW(other.get());
  CHECK(missing_for(postgres.conninfo("rollbackd")) == "");
}

TEST_CASE("a locked table is waited for in short turns, and a lock that stays is named as such") {
  const InstalledPostgres postgres;
  rows(postgres.conninfo(), "alter table ops.system_logs disable trigger rollbackd_ring");
  const auto holder = connect(postgres.conninfo());
  rows(*holder, "begin; lock table ops.system_logs in row exclusive mode");
  std::ostringstream out;
  auto installing = std::async(std::launch::async, [&] {
    return engine::install({postgres.conninfo(), ""}, {}, out);
  });
  while (query(postgres.conninfo(), "select count(*) from pg_locks where not granted") == "0") {
  }
  rows(*holder, "commit");
  const auto outcome = installing.get();
  REQUIRE(outcome);
  CHECK(outcome->changed);
  CHECK(query(postgres.conninfo(),
              "select tgenabled from pg_trigger where tgname = 'rollbackd_ring'"
              " and tgrelid = 'ops.system_logs'::regclass") == "A");
}

TEST_CASE("an index that an interrupted build left invalid is built again") {
  const InstalledPostgres postgres;
  rows(postgres.conninfo(),
       "update pg_index set indisvalid = false"
       " where indexrelid = 'ops.rollbackd_rollback_events_active'::regclass");
  CHECK(missing_for(postgres.conninfo("rollbackd")).find("rollbackd_rollback_events_active") !=
        std::string::npos);
  const Said said = install(postgres.conninfo());
  CHECK(said.text.find("rollbackd_rollback_events_active: building again") != std::string::npos);
  CHECK(missing_for(postgres.conninfo("rollbackd")) == "");
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
  const Said said = install(postgres.conninfo());
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
  CHECK(missing_for(postgres.conninfo("rollbackd")) == "");
}

TEST_CASE("a database of a later version is left alone") {
  const InstalledPostgres postgres;
  rows(postgres.conninfo(),
       "insert into ops.rollbackd_schema (version, name) values (9999, '9999_x.sql')");
  std::ostringstream out;
  const auto outcome = engine::install({postgres.conninfo(), ""}, {}, out);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().what.find("9999_x.sql") != std::string::npos);
  CHECK(out.str() == "");
}

TEST_CASE("the version table says what was installed, when and by whom") {
  const InstalledPostgres postgres;
  std::size_t files = 0;
  for (const auto& file : engine::embedded_sql()) {
    if (file.name[0] >= '0' && file.name[0] <= '9') {
      ++files;
    }
  }
  CHECK(query(postgres.conninfo(),
              "select count(*) from ops.rollbackd_schema where by = 'postgres' and name like"
              " '0' || version || '%' or name like version || '%'") == std::to_string(files));
}

TEST_CASE("no connection, and a connection that keeps no session, are errors with a remedy") {
  std::ostringstream out;
  const auto nowhere = engine::install({"host=/nonexistent", ""}, {}, out);
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().what.find("no connection to the database") == 0);
  CHECK_FALSE(nowhere.error().remedy.empty());
}

TEST_CASE("uninstalling leaves people's tables and rows, and writers go on") {
  const InstalledPostgres postgres;
  rows(postgres.conninfo(),
       "insert into ops.system_logs (severity, source, message) values ('error','s','m');"
       "insert into ops.deployments (environment, version, git_commit, git_branch)"
       " values ('e', '1', 'c', 'main')");
  std::ostringstream out;
  const auto outcome = engine::uninstall({postgres.conninfo(), ""}, false, out);
  REQUIRE(outcome);
  CHECK(outcome->changed);
  const auto ask = [&](const std::string& sql) { return query(postgres.conninfo(), sql); };
  CHECK(ask("select string_agg(relname, ' ' order by relname) from pg_class"
            " where relnamespace = 'ops'::regnamespace and relkind = 'r'") ==
        "deployments migration_history response_times rollback_events roman_events system_logs"
        " system_snapshots");
  CHECK(ask("select count(*) from pg_proc where pronamespace = 'ops'::regnamespace") == "0");
  CHECK(ask("select count(*) from pg_trigger where tgname like 'rollbackd%'") == "0");
  CHECK(ask("select count(*) from pg_indexes where indexname like 'rollbackd%'") == "0");
  rows(postgres.conninfo(),
       "set role rollbackd_writer; insert into ops.system_logs (severity, source,"
       " message) values ('error', 's', 'm')");
  rows(postgres.conninfo(), "update ops.deployments set status = 'success'");
  CHECK(ask("select count(*) from ops.system_logs") == "2");

  const auto again = engine::uninstall({postgres.conninfo(), ""}, false, out);
  REQUIRE(again);
  CHECK_FALSE(again->changed);
  install(postgres.conninfo());
  CHECK(missing_for(postgres.conninfo("rollbackd")) == "");
}

TEST_CASE("uninstalling with purge leaves nothing, but stops at what others depend on") {
  const InstalledPostgres postgres;
  rows(postgres.conninfo(), "create view public.errors as select * from ops.system_logs");
  std::ostringstream out;
  const auto refused = engine::uninstall({postgres.conninfo(), ""}, true, out);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("public.errors") != std::string::npos);
  CHECK(query(postgres.conninfo(), "select count(*) from ops.system_logs") == "0");
  rows(postgres.conninfo(), "drop view public.errors");
  REQUIRE(engine::uninstall({postgres.conninfo(), ""}, true, out));
  CHECK(query(postgres.conninfo(), "select to_regnamespace('ops') is null") == "t");
}

}  // namespace rollbackd::tests
