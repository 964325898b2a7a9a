// What `rollbackd doctor` says about what is well, and about each fault.

#include <filesystem>
#include <fstream>
#include <set>

#include <doctest/doctest.h>

#include "tests/support/examined.hpp"
#include "tests/support/http_stub.hpp"
#include "tests/support/pgbouncer.hpp"
#include "tests/support/postgres_listener.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

TEST_CASE("doctor: a database that is well, without a daemon") {
  Examined f;
  CHECK(f.examine(f.yaml()) == 0);
  CHECK(f.with("failed").empty());
  CHECK(f.with("warning") == std::set<std::string>{"leader"});
  CHECK(has(f.about("database"), "primary, as rollbackd in app"));
  CHECK(has(f.about("listen"), "ok: NOTIFY is heard on a second connection"));
  CHECK(has(f.about("logs"), "ops.system_logs (error, critical)"));
  CHECK(has(f.about("clock"), "ok: "));
  CHECK(has(f.about("http"), "is free"));
  CHECK(f.with("skipped") == std::set<std::string>{"secrets", "targets", "migration_role", "github",
                                                   "webhook", "health_url", "discord",
                                                   "discord_commands"});
}

TEST_CASE("doctor: each fault of the database is found, with what to do") {
  struct Fault {
    const char* sql;
    const char* mended;
    const char* check;
    const char* outcome;
    const char* said;
  };
  const std::vector<Fault> faults{
      {"revoke update on ops.deployments from rollbackd",
       "grant update on ops.deployments to rollbackd", "rights", "failed",
       "missing: the right to update on ops.deployments"},
      {"create policy narrow on ops.system_logs as restrictive for select using (source <> 'x');"
       "alter table ops.system_logs enable row level security;"
       "create policy wide on ops.system_logs for select using (true)",
       "drop policy narrow on ops.system_logs; drop policy wide on ops.system_logs;"
       "alter table ops.system_logs disable row level security",
       "row_level_security", "failed", "policy narrow"},
      {"revoke pg_read_all_stats from rollbackd", "grant pg_read_all_stats to rollbackd",
       "statistics", "warning", "grant pg_read_all_stats to rollbackd"},
      {"drop index ops.rollbackd_deployments_service", "", "indexes", "warning",
       "the index rollbackd_deployments_service is missing or invalid"},
      {"alter table ops.system_logs drop constraint system_logs_severity_check;"
       "insert into ops.system_logs (severity, source, message)"
       " select 'FATAL', 'x', 'x' from generate_series(1, 50); analyze ops.system_logs",
       "delete from ops.system_logs; analyze ops.system_logs", "severities", "warning",
       "rows of severity \"FATAL\", which do not count"},
      {"alter table ops.deployments disable trigger rollbackd_ring",
       "alter table ops.deployments enable always trigger rollbackd_ring", "schema", "failed",
       "the trigger rollbackd_ring on ops.deployments"},
      {"delete from ops.rollbackd_schema where version = 80", "", "schema_version", "failed",
       "it has not yet 080_rollback.sql"},
      {"insert into ops.rollbackd_schema (version, name) values (9999, '9999_later.sql')",
       "delete from ops.rollbackd_schema where version = 9999", "schema_version", "failed",
       "a later rollbackd installed 9999_later.sql"},
      {"update ops.control set paused = true, paused_by = 'me', reason = 'work', since = now()",
       "update ops.control set paused = false", "pause", "warning", "PAUSED by me"},
      {"insert into ops.breakers (environment, reason) values ('production', 'six of them')",
       "delete from ops.breakers", "pause", "warning", "the breaker of production is open"},
      {"alter role rollbackd connection limit 3", "alter role rollbackd connection limit -1",
       "connections", "failed", "may have 3 connections"},
      {"insert into ops.deployments (environment, version, git_commit, git_branch, status)"
       " values ('production', 'v1', 'c', 'main', 'success')",
       "", "targets", "warning", "production/app runs v1 and has nothing to go back to"},
  };
  Examined f;
  for (const Fault& fault : faults) {
    CAPTURE(fault.sql);
    f.sql(fault.sql);
    const int code = f.examine(f.yaml());
    CHECK(code == (std::string{fault.outcome} == "failed" ? 1 : 0));
    const std::string said = f.about(fault.check);
    CAPTURE(said);
    CHECK(has(said, std::string{fault.outcome} + ": "));
    CHECK(has(said, fault.said));
    CHECK(has(said, "→ "));
    if (std::string{fault.mended}.empty()) {
      install_into(f.conninfo());
    } else {
      f.sql(fault.mended);
    }
  }
  CHECK(f.examine(f.yaml()) == 0);
}

TEST_CASE("doctor: a superuser, prepared transactions and a migration role that is not there") {
  Examined f{{{{"max_prepared_transactions", "5"}}}};
  std::string yaml = f.yaml(std::string{a_command} +
                            "environments: {production: {rollback: {migration_role: nobody}}}\n");
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("prepared_transactions"), "warning: max_prepared_transactions is 5"));
  CHECK(has(f.about("migration_role"), "failed: rollback.migration_role nobody of production"));
  yaml.replace(yaml.find("user=rollbackd"), 14, "user=postgres");
  f.examine(yaml);
  CHECK(has(f.about("role"), "warning: this user is a superuser"));
}

TEST_CASE("doctor: without the database it says why and looks at the rest") {
  Postgres plain;
  Doctor doctor{plain.directory()};
  const auto yaml = [&](const std::string& conninfo) {
    return "database: {conninfo: \"" + conninfo + "\"}\n" + a_command;
  };
  SUBCASE("nothing is installed") {
    CHECK(doctor.examine(yaml(plain.conninfo())) == 1);
    CHECK(has(doctor.about("schema"), "failed: missing: the schema ops → run `rollbackd install`"));
    CHECK(has(doctor.about("rights"), "skipped"));
  }
  SUBCASE("no such database") {
    CHECK(doctor.examine(yaml(plain.conninfo("postgres", "nowhere"))) == 1);
    CHECK(has(doctor.about("database"), "correct dbname in database.conninfo"));
  }
  SUBCASE("no such role") {
    CHECK(doctor.examine(yaml(plain.conninfo("nobody"))) == 1);
    CHECK(has(doctor.about("database"), "at the role"));
  }
  SUBCASE("it is down") {
    plain.stop();
    CHECK(doctor.examine(yaml(plain.conninfo())) == 1);
    CHECK(has(doctor.about("database"), "no server listens there"));
    CHECK(has(doctor.about("schema"), "skipped: there is no connection"));
    CHECK(has(doctor.about("command"), "ok: "));
  }
  SUBCASE("something listens and says nothing") {
    const HttpStub silent{HttpStub::Greeting::silent};
    CHECK(doctor.examine(yaml("host=127.0.0.1 dbname=app user=x connect_timeout=2 port=" +
                              std::to_string(silent.port()))) == 1);
    CHECK(has(doctor.about("database"), "failed: "));
    CHECK(has(doctor.about("command"), "ok: "));
  }
  SUBCASE("the conninfo cannot be read, and its password is not shown") {
    CHECK(doctor.examine(yaml("host=x password=sesame nonsense")) == 1);
    CHECK(has(doctor.about("database"), "failed: database.conninfo cannot be read"));
    CHECK_FALSE(has(doctor.about("database"), "sesame"));
  }
}

TEST_CASE("doctor: a standby is named as one") {
  Examined f;
  const auto standby = f.make_standby();
  const Doctor& doctor = f;
  CHECK(f.examine("database: {conninfo: \"" + standby->conninfo("rollbackd") + "\"}\n" +
                  a_command) == 1);
  CHECK(has(doctor.about("database"), "failed: only a standby answers"));
}

TEST_CASE("doctor: behind a transaction pooler it is said that it polls") {
  Examined f{{{}, true}};
  const PgBouncer pooler{f, "transaction"};
  f.examine("database: {conninfo: \"" + pooler.conninfo("rollbackd") + "\"}\n" + a_command);
  CHECK(has(f.about("listen"), "warning: a connection pooler in transaction mode"));
}

TEST_CASE("doctor: files of secrets and of the configuration") {
  Examined f;
  const std::filesystem::path secret = f.folder() / "discord";
  const HttpStub stub;
  std::ofstream{secret} << stub.url("/api/webhooks/1/x") << '\n';
  const std::string yaml = f.yaml() + "notify: {discord: {webhook_url_file: discord}}\n";
  std::filesystem::permissions(secret, std::filesystem::perms{0604});
  CHECK(f.examine(yaml) == 1);  // what answers there is no webhook
  CHECK(has(f.about("secrets"), "is open to everybody (mode 604)"));
  CHECK(has(f.about("discord"), "failed: Discord answers 200, which is no webhook's answer"));
  std::filesystem::permissions(secret, std::filesystem::perms{0600});
  f.examine(yaml);
  CHECK(has(f.about("secrets"), "ok: "));
  std::filesystem::remove(secret);
  CHECK(f.examine(yaml) == 78);
  CHECK(has(f.about("configuration"), "failed: "));
  CHECK(has(f.about("configuration"), "does not exist"));
}

TEST_CASE("doctor: the command has to be there and executable") {
  Examined f;
  const std::filesystem::path script = f.folder() / "deploy.sh";
  const auto yaml = [&](const std::string& program) {
    return f.yaml("rollback: {executor: command, command: {argv: [" + program + "]}}\n");
  };
  CHECK(f.examine(yaml(script.string())) == 1);
  CHECK(has(f.about("command"), "No such file"));
  std::ofstream{script} << "#!/bin/sh\n";
  CHECK(f.examine(yaml(script.string())) == 1);
  CHECK(has(f.about("command"), "may not execute"));
  std::filesystem::permissions(script, std::filesystem::perms{0707});
  CHECK(f.examine(yaml(script.string())) == 0);
  CHECK(has(f.about("command"), "warning: "));
  CHECK(f.examine(yaml("no-such-program-anywhere")) == 1);
  CHECK(has(f.about("command"), "in no folder of PATH"));
  CHECK(f.examine(f.yaml("")) == 0);
  CHECK(has(f.about("command"), "rollback.command.argv is not given"));
}

TEST_CASE("doctor: the port is taken by a stranger, or it is ours") {
  Stage stage;
  Doctor doctor{stage.postgres().directory()};
  const auto yaml = [&](int port) {
    return "database: {conninfo: \"" + stage.postgres().conninfo("rollbackd") +
           "\"}\nhttp: {listen: \"127.0.0.1:" + std::to_string(port) + "\"}\n" + a_command;
  };
  CHECK(doctor.examine(yaml(stage.http_port())) == 0);
  CHECK(has(doctor.about("http"), "ok: a rollbackd answers at 127.0.0.1"));
  CHECK(has(doctor.about("leader"), "ok: "));
  CHECK(has(doctor.about("tokens"), "warning: http.tokens is empty"));
  const HttpStub stranger;
  CHECK(doctor.examine(yaml(stranger.port())) == 1);
  CHECK(has(doctor.about("http"), "is taken by another program"));
}

TEST_CASE("doctor: people get a line for each check and, below it, what to do") {
  Postgres plain;
  plain.stop();
  const std::filesystem::path file = plain.directory() / "doctor.yaml";
  std::ofstream{file} << "database: {conninfo: \"" << plain.conninfo() << "\"}\n" << a_command;
  std::string output;
  CHECK(run_program({ROLLBACKD_PROGRAM, "doctor", "--config", file.string()}, output) == 1);
  CAPTURE(output);
  CHECK(has(output, "\nFAILED   database "));
  CHECK(has(output, "\n         → no server listens there"));
  CHECK(has(output, "\nskipped  schema "));
  CHECK(has(output, " skipped, 1 failed\n"));
  CHECK_FALSE(has(output, "\033["));
}
