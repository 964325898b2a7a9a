#include <csignal>

#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

TEST_CASE("a crash between decision and dispatch: the rollback goes on and dispatches once") {
  Stage stage{"", {}, {{"confirm: 1s", "confirm: 3s"}}};
  const std::string bad = stage.go_bad();
  stage.wait_for_step("mark_rolled_back", "success");
  stage.daemon().kill();
  stage.restart_daemon();
  CHECK(stage.wait_for_end(bad) == "success");
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "1");
  CHECK(stage.program_runs() == 1);
}

TEST_CASE("a crash while the command runs: failed with outcome_unknown, never run again") {
  Stage stage{"", {}, {{"echo $1 $2 $3 >> $0", "echo $1 $2 $3 >> $0; exec sleep 5"}}};
  const std::string bad = stage.go_bad();
  stage.wait_for_step("await_deploy", "in_progress");
  stage.daemon().kill();
  stage.restart_daemon();
  CHECK(stage.wait_for_end(bad) == "failed");
  CHECK(stage.ask("select metadata->>'ended_by' from ops.rollback_events") == "outcome_unknown");
  CHECK(stage.ask("select status from ops.deployments where deployment_id = '" + bad + "'") ==
        "in_progress");
  CHECK(stage.running_version() == "v1 commit-of-v1 app");
  CHECK(stage.program_runs() == 1);
}

TEST_CASE("a crash while verifying: the verification goes on from its stored start") {
  Stage stage{"", {}, {{"window: 2s", "window: 4s"}}};
  const std::string bad = stage.go_bad();
  stage.wait_for_step("verify_health", "in_progress");
  stage.daemon().kill();
  // Most of it passes without a daemon.
  eventually("three seconds of it to pass", 60, [&] {
    return stage.ask(
               "select now() > (metadata->>'serving_from')::timestamptz + interval '3 s'"
               " from ops.rollback_events") == "t";
  });
  const std::string starting = stage.ask("select clock_timestamp()");
  stage.restart_daemon();
  const double start = std::stod(
      stage.ask("select extract(epoch from clock_timestamp() - '" + starting + "'::timestamptz)"));
  CHECK(stage.wait_for_end(bad) == "success");
  const double took = std::stod(
      stage.ask("select extract(epoch from completed_at - (metadata->>'serving_from')::timestamptz)"
                " from ops.rollback_events"));
  CHECK(took >= 4);
  CHECK(took < 5.5 + start);  // anew it would be seven and most of the start
}

TEST_CASE("the journal's connection dies in the middle: the rollback goes on in the same process") {
  Stage stage{"", {}, {{"confirm: 1s", "confirm: 3s"}}};
  const std::string bad = stage.go_bad();
  stage.wait_for_step("mark_rolled_back", "success");
  stage.ask(
      "select pg_terminate_backend(pid) from pg_stat_activity"
      " where application_name = 'rollbackd journal'");
  CHECK(stage.wait_for_end(bad) == "success");
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "1");
}

TEST_CASE("the server restarts: windows are rebuilt, counts are right, and it still acts") {
  Stage stage;
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  stage.log_errors(3);
  stage.postgres().restart();
  const auto connection = connect(stage.postgres().conninfo());
  rows(*connection,
       "insert into ops.system_logs (severity, source, message)"
       " select 'error', 's', 'm' from generate_series(1, 2)");
  eventually("all five errors in memory", 60, [&] {
    return stage.check(bad).body.find("\"recent_errors\":5") != std::string::npos;
  });
  rows(*connection,
       "insert into ops.system_logs (severity, source, message) values ('error', 's', 'm')");
  eventually("the rollback", 60, [&] {
    return query(*connection, "select status from ops.rollback_events") == "success";
  });
}

TEST_CASE("SIGTERM waits for the running command, journals its end and exits 0") {
  Stage stage{"", {}, {{"echo $1 $2 $3 >> $0", "sleep 3; echo $1 $2 $3 >> $0"}}};
  const std::string bad = stage.go_bad();
  stage.wait_for_step("await_deploy", "in_progress");
  stage.daemon().signal(SIGTERM);
  CHECK(stage.daemon().wait_for_end() == 0);
  CHECK(stage.ask("select s->>'status' from ops.rollback_events, unnest(rollback_steps) s"
                  " where s->>'name' = 'await_deploy'") == "success");
}
