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

// Installing on an empty database, again, side by side, and taking it away.

namespace rollbackd::tests {
namespace {

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

}  // namespace

TEST_CASE("installing a second time changes nothing and says so") {
  const InstalledPostgres postgres;
  const std::string before = definition(postgres);
  const std::string objects = identities(postgres);
  const Installed again = install(postgres.conninfo());
  CHECK_FALSE(again.outcome.changed);
  CHECK(again.outcome.left_over.empty());
  std::istringstream lines{again.said};
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.find(": already installed") != std::string::npos, line);
  }
  CHECK(identities(postgres) == objects);
  CHECK(definition(postgres) == before);
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
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
  CHECK(psql(postgres, script.str(), "printed") == "");
  CHECK(definition(postgres, "printed") == definition(postgres));
  CHECK(psql(postgres, script.str(), "printed") == "");
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

TEST_CASE("two installers at the same time take turns") {
  const Postgres postgres;
  auto other = std::async(std::launch::async, [&] { return install_into(postgres.conninfo()); });
  CHECK_NOTHROW(install_into(postgres.conninfo()));
  CHECK_NOTHROW(other.get());
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
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
  CHECK(missing_in(postgres.conninfo("rollbackd")).find("rollbackd_rollback_events_active") !=
        std::string::npos);
  const Installed said = install(postgres.conninfo());
  CHECK(said.said.find("rollbackd_rollback_events_active: building again") != std::string::npos);
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
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
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
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
