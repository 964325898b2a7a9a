#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

TEST_CASE("a fix deployed between decision and dispatch stops the rollback, and the fix serves") {
  Stage stage{"", {}, {{"confirm: 1s", "confirm: 3s"}}};
  const std::string bad = stage.go_bad();
  eventually("the decision", 60,
             [&] { return stage.ask("select count(*) from ops.rollback_events") == "1"; });
  stage.deploy("v3");
  CHECK(stage.wait_for_end(bad) == "aborted");
  CHECK(stage.ask("select metadata->>'ended_by' from ops.rollback_events") == "superseded");
  CHECK(stage.ask("select status from ops.deployments where version = 'v2'") == "in_progress");
  CHECK(stage.ask("select status from ops.deployments where rollback_from = '" + bad + "'") ==
        "failed");
  CHECK(stage.running_version() == "");
  stage.wait_for_metric(R"(rollbackd_rollbacks_total{outcome="aborted",reason="superseded"})", "1");
  stage.wait_for_metric(R"(rollbackd_alerts_total{kind="aborted"})", "1");
}
