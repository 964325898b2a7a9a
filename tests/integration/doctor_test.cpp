// What `rollbackd doctor` says about what is well, and about each fault.

#include <filesystem>
#include <fstream>
#include <set>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/daemon.hpp"
#include "tests/support/free_port.hpp"
#include "tests/support/http_stub.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/pgbouncer.hpp"
#include "tests/support/postgres_listener.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

namespace {

constexpr const char* a_command =
    "rollback: {executor: command, command: {argv: [/bin/sh, -c, \"true\", \"{version}\"]}}\n";

// What the doctor says of a configuration.
class Doctor {
 public:
  explicit Doctor(std::filesystem::path folder) : folder_{std::move(folder)} {}

  // Exit code and findings.
  int examine(const std::string& yaml) {
    const std::filesystem::path file = folder_ / "doctor.yaml";
    std::ofstream{file} << yaml;
    std::filesystem::permissions(file, std::filesystem::perms{0600});
    std::string output;
    const int code =
        run_program({ROLLBACKD_PROGRAM, "doctor", "--json", "--config", file.string()}, output);
    said_ = json::parse(output, nullptr, false);
    INFO(output);
    REQUIRE(said_.is_object());
    return code;
  }
  // "outcome: text → remedy" of each finding of a check.
  [[nodiscard]] std::string about(const std::string& check) const {
    std::string text;
    for (const json& finding : said_["findings"]) {
      if (finding.value("check", "") == check) {
        text += finding.value("outcome", "") + ": " + finding.value("text", "") +
                (finding["remedy"].is_null() ? "" : " → " + finding.value("remedy", "")) + "\n";
      }
    }
    return text;
  }
  // The checks with this outcome.
  [[nodiscard]] std::set<std::string> with(const std::string& outcome) const {
    std::set<std::string> checks;
    for (const json& finding : said_["findings"]) {
      if (finding.value("outcome", "") == outcome) {
        checks.insert(finding.value("check", ""));
      }
    }
    return checks;
  }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  json said_;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Examined : InstalledPostgres, Doctor {
  explicit Examined(PostgresOptions options = {})
      : InstalledPostgres{std::move(options)},
        Doctor{directory()},
        http{"http: {listen: \"127.0.0.1:" + std::to_string(free_port()) +
             "\", tokens: [{name: me, scopes: [rollback], sha256: "
             "4c5dc9b7708905f77f5e5d16316b5dfb425e68cb326dcd55a860e90a7707031e}]}\n"} {}

  [[nodiscard]] std::string yaml(const std::string& rollback = a_command) const {
    return "database: {conninfo: \"" + conninfo("rollbackd") + "\"}\n" + http + rollback;
  }
  // As the superuser.
  void sql(const std::string& statement) const { rows(conninfo(), statement); }

  std::string http;
};

}  // namespace

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

TEST_CASE("doctor: Discord's webhook is there, gone, or asks to wait") {
  Examined f;
  HttpStub discord;
  const std::string yaml = f.yaml() + "notify: {discord: {webhook_url: \"" +
                           discord.url("/api/webhooks/1/token") + "\"}}\n";
  discord.next({200, R"({"id": "1", "name": "ops", "channel_id": "77"})"});
  CHECK(f.examine(yaml) == 0);
  CHECK(has(f.about("discord"), "ok: the webhook \"ops\" is there, of the channel 77"));
  discord.next({404, R"({"message": "Unknown Webhook"})"});
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("discord"), "make a new one"));
  CHECK_FALSE(has(f.about("discord"), "token"));
  discord.next({429, R"({"retry_after": 2})"});
  CHECK(f.examine(yaml) == 0);
  CHECK(has(f.about("discord"), "warning: Discord answers 429"));
}

TEST_CASE("doctor: Discord's application is that of token and key") {
  Examined f;
  HttpStub discord;
  const std::string key(64, 'a');
  const std::string yaml =
      f.yaml() + "discord: {api_url: \"" + discord.url("/api/v10") + "\", public_key: \"" + key +
      "\", application_id: \"12345678901234567\", guild_id: \"12345678901234567\","
      " approver_roles: [\"12345678901234567\"], bot_token: t0ken}\n";
  const auto application = [](const std::string& id, const std::string& verify_key) {
    return StubAnswer{
        200, "{\"id\": \"" + id + R"(", "name": "ops", "verify_key": ")" + verify_key + "\"}"};
  };
  discord.next(application("12345678901234567", key));
  CHECK(f.examine(yaml) == 0);
  CHECK(has(f.about("discord_commands"), "ok: the application \"ops\" signs"));
  CHECK(discord.requests().back().header("authorization") == "Bot t0ken");
  discord.next(application("12345678901234567", std::string(64, 'b')));
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("discord_commands"), "public_key is not this application's"));
  discord.next(application("76543210987654321", key));
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("discord_commands"), "of one application"));
  discord.next({401, R"({"message": "401: Unauthorized"})"});
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("discord_commands"), "token is not valid"));
  CHECK_FALSE(has(f.about("discord_commands"), "t0ken"));
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

TEST_CASE("doctor: the webhook's host needs an address, and the health_url has to answer") {
  Examined f;
  HttpStub health;
  health.otherwise({503, "no"});
  const std::string yaml = f.yaml(
      "rollback: {executor: webhook, webhook: {url: \"https://deploy.invalid/hook\", secret: "
      "\"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"}, verify: {health_url: \"" +
      health.url() + "\"}}\n");
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("webhook"), "failed: https://deploy.invalid of every service has no address"));
  CHECK_FALSE(has(f.about("webhook"), "hook\""));
  CHECK(has(f.about("health_url"),
            "warning: rollback.verify.health_url of every service answers "
            "503"));
}

TEST_CASE("doctor: the workflow exists, is active and takes our inputs") {
  Examined f;
  HttpStub github;
  const std::string yaml = f.yaml("rollback: {executor: github, github: {api_url: \"" +
                                  github.url("") + "\", repository: a/b, token: ghp_x}}\n");
  const std::string ours =
      read_file(std::filesystem::path{ROLLBACKD_SOURCE_DIR} / "config/github/rollback.yml");
  const auto answers = [&](const std::string& workflow, const std::string& file) {
    github.next({200, R"({"full_name": "a/b"})"});
    github.next({200, workflow});
    github.next({200, file});
  };
  const std::string active = R"({"state": "active", "path": ".github/workflows/rollback.yml"})";
  answers(active, ours);
  CHECK(f.examine(yaml) == 0);
  CHECK(has(f.about("github"), "ok: rollback.yml of a/b (every service) is active at main"));
  CHECK(github.requests().back().target ==
        "/repos/a/b/contents/.github/workflows/rollback.yml?ref=main");
  CHECK(github.requests().back().header("authorization") == "Bearer ghp_x");

  std::string lacking = ours;
  lacking.replace(lacking.find("      not_after: {"), 18, "      after: {");
  answers(active, lacking);
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("github"), "does not declare the inputs not_after"));
  CHECK(has(f.about("github"), "demands after"));

  answers(R"({"state": "disabled_manually", "path": ".github/workflows/rollback.yml"})", ours);
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("github"), "is disabled_manually"));

  answers(active, "name: x\non: push\n");
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("github"), "has no workflow_dispatch"));

  github.next({401, R"({"message": "Bad credentials"})"});
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("github"), "the token is wrong, revoked or expired"));
  CHECK_FALSE(has(f.about("github"), "ghp_x"));

  github.next({200, "{}"});
  github.next({404, R"({"message": "Not Found"})"});
  CHECK(f.examine(yaml) == 1);
  CHECK(has(f.about("github"), "the workflow rollback.yml of a/b"));
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
