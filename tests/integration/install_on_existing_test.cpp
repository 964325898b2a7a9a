#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "engine/store/embedded_sql.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/http_request.hpp"
#include "tests/support/insert_prober.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/procedures.hpp"

// Installed into databases that people have: what was there before is there after, row for row,
// while it is installed and when it is gone again.

namespace rollbackd::tests {
namespace {

void uninstall_from(const std::string& conninfo) {
  std::ostringstream out;
  const auto outcome = engine::uninstall({conninfo, ""}, false, out);
  REQUIRE_MESSAGE(outcome, out.str());
  REQUIRE_MESSAGE(outcome->left_over.empty(), outcome->left_over);
}

// Without the one CHECK that may go: that of `environment`.
std::string without_environment(const std::string& refusals) {
  std::istringstream lines{refusals};
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("CHECK ((environment = ANY") == std::string::npos) {
      kept += line + '\n';
    }
  }
  return kept;
}

// Installs twice and takes away again, as this user; every row stays as it was all the time.
void come_and_go(const Postgres& postgres, const std::string& user) {
  const Rows before{postgres.conninfo()};
  const std::string there = before.now();
  const std::string may = access_of_others(postgres.conninfo());
  const std::string refused = without_environment(refusals(postgres.conninfo()));
  install_into(postgres.conninfo(user));
  CHECK(before.now() == there);
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
  CHECK(without_environment(refusals(postgres.conninfo())) == refused);
  CHECK_FALSE(install(postgres.conninfo(user)).outcome.changed);
  CHECK(before.now() == there);
  uninstall_from(postgres.conninfo(user));
  CHECK(before.now() == there);
  CHECK(access_of_others(postgres.conninfo()) == may);
  CHECK(without_environment(refusals(postgres.conninfo())) == refused);
}

std::string readyz(const Daemon& daemon) {
  daemon.wait_for_log({"event=http_listening"});
  const std::string log = daemon.log();
  const std::string word = "event=http_listening port=";
  const int port = std::stoi(log.substr(log.find(word) + word.size()));
  const HttpAnswer answer = http_request(port, "GET", "/readyz");
  return std::to_string(answer.status) + ' ' + answer.body;
}

void wait_for_readyz(const Daemon& daemon, const std::string& status, const std::string& text) {
  std::string last;
  try {
    eventually("readiness", 60, [&] {
      last = readyz(daemon);
      return last.find(status) == 0 && last.find(text) != std::string::npos;
    });
  } catch (const std::runtime_error&) {
    FAIL("/readyz says " << last << " instead of " << status << ' ' << text);
  }
}

}  // namespace

TEST_CASE("the procedures' tables with rows in them: installed, again, and taken away") {
  const Postgres postgres;
  rows(postgres.conninfo(), tables_of_the_procedures() + rows_of_the_procedures());
  come_and_go(postgres, "postgres");
}

TEST_CASE("the same in a database like Supabase's, by its user that is no superuser") {
  const Postgres postgres;
  rows(postgres.conninfo(), ground_of_supabase());
  rows(postgres.conninfo("postgres_like"), tables_of_the_procedures(" references auth.users(id)") +
                                               rows_of_the_procedures() + access_of_supabase());
  come_and_go(postgres, "postgres_like");
}

TEST_CASE("there our roles see every row, and the others see what they saw") {
  const Postgres postgres;
  rows(postgres.conninfo(), ground_of_supabase());
  rows(postgres.conninfo("postgres_like"), tables_of_the_procedures(" references auth.users(id)") +
                                               rows_of_the_procedures() + access_of_supabase());
  const auto seen_by = [&](const std::string& role, const std::string& table) {
    return query(postgres.conninfo(), "set role " + role + "; select count(*) from ops." + table);
  };
  const std::string people_saw = seen_by("authenticated", "system_logs");
  const std::string service_saw = seen_by("service_role", "system_logs");
  install_into(postgres.conninfo("postgres_like"));
  CHECK(seen_by("authenticated", "system_logs") == people_saw);
  CHECK(seen_by("service_role", "system_logs") == service_saw);
  CHECK(seen_by("anon", "system_logs") == "0");
  for (const char* table : {"system_logs", "deployments", "rollback_events", "system_snapshots",
                            "migration_history", "roman_events"}) {
    const std::string all =
        query(postgres.conninfo(), std::string{"select count(*) from ops."} + table);
    CHECK_MESSAGE(seen_by("rollbackd", table) == all, table);
    CHECK_MESSAGE(seen_by("rollbackd_reader", table) == all, table);
  }
  const auto as = [&](const std::string& role, const std::string& sql) {
    const auto connection = connect(postgres.conninfo());
    rows(*connection, "set role " + role);
    return failure_of(*connection, sql);
  };
  CHECK(as("authenticated", "insert into ops.system_logs (severity) values ('error')") == "");
  CHECK(as("authenticated", "select ops.get_deployment_health(gen_random_uuid())") == "");
  CHECK(as("service_role",
           "select ops.record_rollback_event(deployment_id, 'manual', 'r',"
           " '00000000-0000-0000-0000-00000000000a') from ops.deployments limit 1") == "");
  CHECK(as("service_role", "update ops.deployments set environment = 'qa' where id = 1") == "");
}

TEST_CASE("default privileges of the schema open nothing of ours to those who have the rest") {
  const Postgres postgres;
  rows(postgres.conninfo(), ground_of_supabase());
  rows(postgres.conninfo("postgres_like"),
       tables_of_the_procedures(" references auth.users(id)") + access_of_supabase());
  install_into(postgres.conninfo("postgres_like"));
  const std::string reached =
      "select coalesce(string_agg(line, ' ' order by line), '') from ("
      " select r.rolname || ':' || c.relname from pg_class c,"
      "  (values ('anon'), ('authenticated'), ('service_role')) r (rolname)"
      " where c.relnamespace = 'ops'::regnamespace and c.relkind = 'r'"
      // All but those that people and their programs share with us.
      "  and c.relname not in ('deployments', 'rollback_events', 'system_snapshots',"
      "    'migration_history', 'system_logs', 'roman_events', 'response_times')"
      "  and has_table_privilege(r.rolname, c.oid,"
      "    'select, insert, update, delete, truncate, trigger, references')"
      " union all select r.rolname || ':' || p.proname from pg_proc p,"
      "  (values ('anon'), ('authenticated')) r (rolname)"
      " where p.pronamespace = 'ops'::regnamespace"
      "  and p.proname <> 'get_deployment_health'"  // the procedures gave it to everybody
      "  and p.prorettype <> 'trigger'::regtype"
      // What these do they do with the caller's own rights.
      "  and p.proname not in ('rollbackd_try', 'rollbackd_keep_private')"
      "  and has_function_privilege(r.rolname, p.oid, 'execute')) s (line)";
  CHECK(query(postgres.conninfo(), reached) == "");
  // What somebody grants afterwards stays.
  rows(postgres.conninfo(),
       "grant select on ops.control to anon;"
       "grant execute on function ops.deployment_at(text, text, timestamptz) to anon");
  CHECK_FALSE(install(postgres.conninfo("postgres_like")).outcome.changed);
  CHECK(query(postgres.conninfo(), reached) == "anon:control anon:deployment_at");
}

TEST_CASE(
    "a restrictive policy hides rows: install warns of it, and /readyz says so until it is gone") {
  const Postgres postgres;
  rows(postgres.conninfo(),
       tables_of_the_procedures() + rows_of_the_procedures() +
           "alter table ops.system_logs enable row level security;"
           "create policy \"only mine\" on ops.system_logs as restrictive using (source = 'mine')");
  const Rows before{postgres.conninfo()};
  const std::string there = before.now();
  const Installed installed = install(postgres.conninfo());
  CHECK(installed.outcome.left_over.empty());
  const std::string hidden =
      "all rows of ops.system_logs: row-level security hides some, policy only mine";
  CHECK(installed.said.find("WARNING: missing for the role rollbackd: " + hidden) !=
        std::string::npos);
  CHECK(before.now() == there);
  const Daemon daemon{"http: {listen: 127.0.0.1:0}\ndatabase: {conninfo: \"" +
                      postgres.conninfo("rollbackd") + "\"}\n"};
  wait_for_readyz(daemon, "503", hidden);
  rows(postgres.conninfo(), "drop policy \"only mine\" on ops.system_logs");
  wait_for_readyz(daemon, "200", "\"ready\":true");
}

TEST_CASE("who may not make roles nor owns the log: nothing of the rows changes, both ways") {
  const Postgres postgres;
  rows(postgres.conninfo(),
       "create role plain login; create role logger login; grant create on database app to plain;" +
           tables_of_the_procedures() + rows_of_the_procedures() +
           "alter schema ops owner to plain; alter table ops.deployments owner to plain;"
           "alter table ops.rollback_events owner to plain;"
           "alter table ops.system_snapshots owner to plain;"
           "alter table ops.migration_history owner to plain;"
           "alter table ops.roman_events owner to plain;"
           "alter table ops.system_logs owner to logger; grant usage on schema ops to logger");
  const Rows before{postgres.conninfo()};
  const std::string there = before.now();
  // The roles first, then what is granted to them.
  int rounds = 0;
  for (Installed said = install(postgres.conninfo("plain")); !said.outcome.left_over.empty();
       said = install(postgres.conninfo("plain"))) {
    CHECK(before.now() == there);
    REQUIRE(++rounds <= 2);
    psql(postgres, said.outcome.left_over);
  }
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
  CHECK(before.now() == there);

  std::ostringstream out;
  const auto removed = engine::uninstall({postgres.conninfo("plain"), ""}, false, out);
  REQUIRE(removed);
  CHECK(removed->left_over.find("drop trigger") != std::string::npos);
  psql(postgres, removed->left_over);
  uninstall_from(postgres.conninfo("plain"));
  CHECK(query(postgres.conninfo(),
              "select count(*) from pg_trigger where tgname like 'rollbackd%'") == "0");
  CHECK(query(postgres.conninfo(),
              "select count(*) from pg_proc where pronamespace = 'ops'::regnamespace") == "0");
  CHECK(before.now() == there);
}

TEST_CASE("a large log in use is attached without a long lock, and a snapshot keeps its time") {
  const Postgres postgres;
  rows(postgres.conninfo(), tables_of_the_procedures());
  rows(postgres.conninfo(),
       "insert into ops.system_logs (timestamp, severity, source, message) select now() -"
       " make_interval(secs => n), case when n % 100 = 0 then 'error' else 'info' end, 's', 'm'"
       " from generate_series(1, 300000) n");
  rows(postgres.conninfo(), "vacuum analyze ops.system_logs");
  const std::string file_of =
      "select relfilenode from pg_class where oid = 'ops.system_logs'::regclass";
  const std::string file = query(postgres.conninfo(), file_of);
  InsertProber application{postgres.conninfo(),
                           "insert into ops.system_logs (severity, source, message)"
                           " values ('error', 's', 'meanwhile')"};
  install_into(postgres.conninfo());
  application.stop();
  CHECK(application.failure() == "");
  CHECK(application.count() > 10);
  MESSAGE("the longest of " << application.count() << " inserts meanwhile took "
                            << application.longest_ms() << " ms");
  // The installer waits for a lock for two seconds at most, and everybody behind it as long.
  CHECK(application.longest_ms() < 2000);
  CHECK(query(postgres.conninfo(), file_of) == file);
  CHECK(query(postgres.conninfo(),
              "select count(*) from ops.system_logs where message = 'm' and xid is null") ==
        "300000");
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
  CHECK(query(postgres.conninfo("rollbackd"),
              "set statement_timeout = '2s'; select ops.create_system_snapshot(deployment_id,"
              " 'pre_rollback') is not null from ops.deployments limit 1") == "t");
}

}  // namespace rollbackd::tests
