#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

// Waits until errors that come after the end have been judged, by a later row that the daemon has
// seen.
void wait_until_judged(Stage& stage, const std::string& deployment) {
  const auto held =
      "select count(*) from ops.roman_events where event_type = 'rollback_held'"
      " and metadata->>'deployment_id' = '" +
      deployment + "'";
  eventually("the hold", 60, [&] { return stage.ask(held) != "0"; });
}

}  // namespace

TEST_CASE(
    "no target: rejected, recorded, alerted once, not repeated, and the deployment as it was") {
  Stage stage;
  const std::string only = stage.deploy("v1");
  stage.wait_until_watched(only);
  stage.log_errors(8);
  CHECK(stage.wait_for_end(only) == "aborted");
  stage.log_errors(10);
  eventually("the later errors in memory", 60, [&] {
    return stage.check(only).body.find("\"recent_errors\":18") != std::string::npos;
  });
  CHECK(stage.check(only).body.find("\"state\":\"rejected\"") != std::string::npos);
  CHECK(stage.disagreement(only) == "");
  CHECK(
      stage.ask("select string_agg(trigger_type || '/' || status, ' ') from ops.rollback_events") ==
      "constitutional_violation/aborted");
  CHECK(stage.ask("select string_agg(kind, ' ') from ops.outbox") == "rejected");
  CHECK(stage.ask("select count(*) from ops.roman_events where event_type = 'rollback_validation'"
                  " and severity = 'error'") == "1");
  CHECK(stage.ask("select status || ' ' || health_check_passed from ops.deployments") ==
        "in_progress false");
}

TEST_CASE("a rejection is not repeated after a restart") {
  Stage stage;
  const std::string only = stage.deploy("v1");
  stage.wait_until_watched(only);
  stage.log_errors(8);
  CHECK(stage.wait_for_end(only) == "aborted");
  stage.daemon().kill();
  stage.restart_daemon();
  stage.log_errors(1);
  eventually("the later error in memory", 60, [&] {
    return stage.check(only).body.find("\"recent_errors\":9") != std::string::npos;
  });
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "1");
}

TEST_CASE("still errors after the rollback: failed, alerted, and no second rollback") {
  Stage stage{"", {}, {{"window: 2s", "window: 5s"}}};  // in which they are logged
  const std::string bad = stage.go_bad();
  std::string replacement;
  eventually("the replacement to serve", 60, [&] {
    replacement = stage.ask("select deployment_id from ops.deployments where rollback_from = '" +
                            bad + "' and status = 'success' and deployed_at <= now()");
    return !replacement.empty();
  });
  stage.log_errors(8);
  CHECK(stage.wait_for_end(bad) == "failed");
  CHECK(stage.ask("select metadata->>'ended_by' from ops.rollback_events") == "still_unhealthy");
  CHECK(stage.ask("select status from ops.deployments where deployment_id = '" + bad + "'") ==
        "rolled_back");
  CHECK(stage.ask("select status || ' ' || health_check_passed from ops.deployments"
                  " where deployment_id = '" +
                  replacement + "'") == "success false");
  stage.log_errors(8);
  wait_until_judged(stage, replacement);
  CHECK(stage.disagreement(replacement) == "");
  CHECK(stage.disagreement(bad) == "");
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "1");
  CHECK(stage.ask("select string_agg(kind, ' ' order by id) from ops.outbox") ==
        "initiated failed");
}

TEST_CASE("deploy refused: the bad row has its status back, and nothing further happens") {
  Stage stage{"", {}, {{"echo $1 $2 $3 >> $0", "echo no such version >&2; exit 3"}}};
  const std::string good = stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  stage.log_errors(6);
  CHECK(stage.wait_for_end(bad) == "failed");
  CHECK(stage.ask("select metadata->>'ended_by' from ops.rollback_events") == "deploy_failed");
  CHECK(stage.ask("select status || ' ' || health_check_passed || ' ' || (rolled_back_at is null)"
                  " from ops.deployments where deployment_id = '" +
                  bad + "'") == "in_progress false true");
  CHECK(stage.ask("select status from ops.deployments where rollback_from = '" + bad + "'") ==
        "failed");
  CHECK(stage
            .ask("select s->>'error' from ops.rollback_events, unnest(rollback_steps) s"
                 " where s->>'status' = 'failed'")
            .find("exit status 3") != std::string::npos);
  stage.log_errors(10);
  wait_until_judged(stage, bad);
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "1");
  CHECK(stage.ask("select string_agg(kind, ' ' order by id) from ops.outbox") ==
        "initiated failed");
  // The good version is never charged with the bad one's errors.
  CHECK(stage.disagreement(good) == "");
  CHECK(stage.check(good).body.find("\"recent_errors\":0") != std::string::npos);
  CHECK(stage.disagreement(bad) == "");
}
