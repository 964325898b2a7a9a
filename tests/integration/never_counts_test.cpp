#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

const char* const insert = "insert into ops.system_logs (severity, source, message, ";

}  // namespace

TEST_CASE("what never counts does not count, and memory says what SQL says") {
  Stage stage;
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  const auto log_twenty = [&](const std::string& columns, const std::string& row) {
    stage.ask(insert + columns + ") select " + row + " from generate_series(1, 20)");
  };
  log_twenty("timestamp",
             "'error', 's', 'm', now() - interval '1 hour'");  // before it was deployed
  log_twenty("environment", "'error', 's', 'm', 'staging'");
  log_twenty("service", "'error', 's', 'm', 'worker'");
  log_twenty("service", "'warning', 's', 'm', 'app'");
  log_twenty("service", "'info', 's', 'm', 'app'");
  log_twenty("timestamp", "'error', 's', 'm', 'infinity'::timestamptz");
  log_twenty("timestamp", "'error', 's', 'm', '-infinity'::timestamptz");
  log_twenty("timestamp", "'error', 's', 'm', now() + interval '1 day'");
  log_twenty("deployment_id", "'error', 's', 'm', gen_random_uuid()");
  {
    pqxx::work aborted{stage.connection()};
    aborted.exec(std::string{insert} +
                 "service) select 'error', 's', 'm', 'app' from generate_series(1, 20)");
  }
  {
    pqxx::work partly{stage.connection()};
    partly.exec("savepoint s");
    partly.exec(std::string{insert} +
                "service) select 'error', 's', 'm', 'app' from generate_series(1, 20)");
    partly.exec("rollback to savepoint s");
    partly.commit();
  }
  stage.log_errors(5);  // exactly 5 do not fire
  eventually("the five errors in memory", 60, [&] {
    return stage.check(bad).body.find("\"recent_errors\":5") != std::string::npos;
  });
  CHECK(stage.disagreement(bad) == "");
  CHECK(stage.check(bad).body.find("\"should_rollback\":false") != std::string::npos);
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "0");

  // An error that names the deployment counts wherever it was logged, and is the sixth.
  stage.ask(std::string{insert} +
            "environment, deployment_id) values ('critical', 's', 'm', 'staging', '" + bad + "')");
  CHECK(stage.wait_for_end(bad) == "success");
  CHECK(stage.disagreement(bad) == "");
}

TEST_CASE("more than 50 errors in five minutes roll back when the first row is off; 50 do not") {
  Stage stage{"triggers: [{name: recent_errors, signal: errors, window: 5m, above: 50}]\n"};
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  stage.log_errors(50);
  eventually("fifty errors in memory", 60, [&] {
    return stage.check(bad).body.find("\"recent_errors\":50") != std::string::npos;
  });
  CHECK(stage.disagreement(bad) == "");
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "0");
  stage.log_errors(1);
  CHECK(stage.wait_for_end(bad) == "success");
  CHECK(stage.ask("select trigger_reason from ops.rollback_events") ==
        "Too many recent errors: 51 in last 5 minutes");
}
