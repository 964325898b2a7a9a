#include <chrono>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/quantile.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

std::string configuration_for(Postgres& postgres, const std::string& user) {
  return "database: {conninfo: \"" + postgres.conninfo(user) + "\"}\n" +
         "http: {listen: 127.0.0.1:0}\nrollback: {executor: command, command: {argv: "
         "[/bin/true]}}\n";
}

int port_of(const Daemon& daemon) {
  daemon.wait_for_log({"event=http_listening"});
  const std::string log = daemon.log();
  const std::string word = "event=http_listening port=";
  return std::stoi(log.substr(log.find(word) + word.size()));
}

// Waits for /readyz to say this with the status.
void wait_for_readiness(int port, int status, const std::string& text) {
  HttpAnswer last;
  try {
    eventually("readiness", 60, [&] {
      last = http_request(port, "GET", "/readyz");
      return last.status == status && last.body.find(text) != std::string::npos;
    });
  } catch (const std::runtime_error&) {
    FAIL("/readyz says " << last.status << " " << last.body << " instead of " << status << " "
                         << text);
  }
}

void install(Postgres& postgres) {
  std::string output;
  REQUIRE(run_program({ROLLBACKD_PROGRAM, "install", "--conninfo", postgres.conninfo()}, output) ==
          0);
}

}  // namespace

TEST_CASE("without our schema /readyz says what to run, and it recovers without a restart") {
  Postgres postgres;
  query(postgres.conninfo(), "create role rollbackd login");
  const Daemon daemon{configuration_for(postgres, "rollbackd")};
  const int port = port_of(daemon);
  wait_for_readiness(port, 503, "rollbackd install");
  install(postgres);
  wait_for_readiness(port, 200, "\"ready\":true");
}

TEST_CASE("without rights, and with a column missing, /readyz names it, and it recovers") {
  Postgres postgres;
  install(postgres);
  query(postgres.conninfo(), "revoke select on ops.system_logs from rollbackd");
  const Daemon daemon{configuration_for(postgres, "rollbackd")};
  const int port = port_of(daemon);
  wait_for_readiness(port, 503, "permission denied for table system_logs");
  query(postgres.conninfo(), "grant select on ops.system_logs to rollbackd");
  wait_for_readiness(port, 200, "\"ready\":true");
  query(postgres.conninfo(), "alter table ops.system_logs rename column service to gone");
  wait_for_readiness(port, 503, "service");
  query(postgres.conninfo(), "alter table ops.system_logs rename column gone to service");
  wait_for_readiness(port, 200, "\"ready\":true");
}

TEST_CASE("while the log is locked, /check answers within 50 ms, and afterwards nothing is lost") {
  Stage stage;
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  stage.log_errors(3);
  eventually("the errors in memory", 60, [&] {
    return stage.check(bad).body.find("\"recent_errors\":3") != std::string::npos;
  });
  {
    pqxx::work locking{stage.connection()};
    locking.exec("lock table ops.system_logs in access exclusive mode");
    std::vector<double> answers_ms;
    for (int i = 0; i < 200; ++i) {
      const auto asked = std::chrono::steady_clock::now();
      const HttpAnswer answer = stage.check(bad);
      answers_ms.push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - asked)
              .count());
      REQUIRE(answer.status == 200);
    }
    stage.daemon().wait_for_log({"event=feed_late"});
    CHECK(stage.check(bad).status == 200);
    MESSAGE("200 answers: nine of ten within " << quantile(answers_ms, 0.9) << " ms, the slowest "
                                               << quantile(answers_ms, 1) << " ms");
    // What asks the locked table waits for as long as it is locked: all of them would.
    CHECK(quantile(answers_ms, 0.9) < 50);
    locking.exec(
        "insert into ops.system_logs (severity, source, message) values ('error', 's', 'm')");
    locking.commit();
  }
  eventually("the error from within the lock", 60, [&] {
    return stage.check(bad).body.find("\"recent_errors\":4") != std::string::npos;
  });
  CHECK(stage.disagreement(bad) == "");
  CHECK(stage.daemon().log().find("event=feed_lost") == std::string::npos);
}

TEST_CASE("a configuration with mistakes: each with its place, all at once, exit 78") {
  Daemon daemon{
      "probatoin: 5m\nprobation: 5\nprobation: 6m\n"
      "triggers: [{name: a, signal: errors, window: 5m, above: -1}]\n"};
  CHECK(daemon.wait_for_end() == 78);
  const std::string log = daemon.log();
  CHECK(log.find("rollbackd.yaml:1:1: ") != std::string::npos);
  CHECK(log.find("did you mean \"probation\"?") != std::string::npos);
  CHECK(log.find("rollbackd.yaml:2:12: ") != std::string::npos);
  CHECK(log.find("rollbackd.yaml:3:1: ") != std::string::npos);
  CHECK(log.find("rollbackd.yaml:4:") != std::string::npos);
}

TEST_CASE("a server that cannot be reached: not ready, why, and ready when it comes back") {
  Postgres postgres;
  install(postgres);
  postgres.stop();
  const Daemon daemon{configuration_for(postgres, "rollbackd")};
  const int port = port_of(daemon);
  wait_for_readiness(port, 503, "problems");
  CHECK(http_request(port, "GET", "/healthz").status == 200);
  CHECK(http_request(port, "POST", "/auto-rollback/check", "{}").status == 401);
  postgres.start();
  wait_for_readiness(port, 200, "\"ready\":true");
}

TEST_CASE(
    "a doorbell that somebody disabled is named, though nothing fails, and mended it is well "
    "again") {
  Postgres postgres;
  install(postgres);
  const Daemon daemon{configuration_for(postgres, "rollbackd")};
  const int port = port_of(daemon);
  wait_for_readiness(port, 200, "\"ready\":true");
  query(postgres.conninfo(), "alter table ops.system_logs disable trigger rollbackd_ring");
  Daemon second{configuration_for(postgres, "rollbackd")};
  wait_for_readiness(port_of(second), 503, "rollbackd_ring");
  query(postgres.conninfo(), "alter table ops.system_logs enable always trigger rollbackd_ring");
  eventually("the schema to be found complete", 60, [&] {
    return http_request(port_of(second), "GET", "/readyz").body.find("rollbackd_ring") ==
           std::string::npos;
  });
}
