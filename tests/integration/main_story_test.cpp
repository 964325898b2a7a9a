#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

TEST_CASE(
    "v2.5.3: five errors do nothing, the sixth rolls back to v2.5.2, and the journal tells it") {
  Stage stage;
  const std::string good = stage.deployed_long_ago("v2.5.2");
  const std::string bad = stage.deploy("v2.5.3");
  stage.wait_until_watched(bad);

  stage.log_errors(5);
  stage.daemon().wait_for_log({"deployment_seen", bad});
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "0");

  stage.log_errors(1);
  CHECK(stage.wait_for_end(bad) == "success");

  // The program really runs the good version again.
  CHECK(stage.running_version() == "v2.5.2 commit-of-v2.5.2 app");

  // The bad row is rolled back; a new row carries the target's version.
  CHECK(stage.ask("select status from ops.deployments where deployment_id = '" + bad + "'") ==
        "rolled_back");
  CHECK(stage.ask("select version || ' ' || git_commit || ' ' || status from ops.deployments"
                  " where rollback_from = '" +
                  bad + "'") == "v2.5.2 commit-of-v2.5.2 success");
  CHECK(stage.ask("select rollback_plan->'target'->>'deployment_id' from ops.rollback_events") ==
        good);

  // All eight steps, each that ran with its times.
  CHECK(
      stage.ask("select string_agg((s->>'name') || '=' || (s->>'status'), ' ' order by n)"
                " from ops.rollback_events, unnest(rollback_steps) with ordinality as e(s, n)") ==
      "create_pre_rollback_snapshot=success identify_target=success revert_migrations=skipped "
      "mark_rolled_back=success trigger_deploy=success await_deploy=success verify_health=success "
      "record_result=success");
  CHECK(stage.ask("select bool_and(s->>'started_at' is not null and s->>'completed_at' is not null)"
                  " from ops.rollback_events, unnest(rollback_steps) s"
                  " where s->>'status' = 'success'") == "t");
  CHECK(stage.ask("select trigger_type || ': ' || trigger_reason from ops.rollback_events") ==
        "automatic: High error rate: 6 errors/minute");

  // A snapshot with a schema hash and row counts.
  CHECK(stage.ask("select database_schema_hash is not null and"
                  " (table_counts->>'ops.system_logs')::int = 6 from ops.system_snapshots"
                  " where snapshot_type = 'pre_rollback'") == "t");

  // ops.roman_events tells the story, found as the procedures say.
  CHECK(stage.ask("select string_agg(event_type, ' ' order by id) from ops.roman_events"
                  " where metadata->>'deployment_id' = '" +
                  bad + "' and event_type <> 'rollback_step'") ==
        "deployment_seen rollback_validation rollback_initiated rollback_completed");
  CHECK(stage.ask("select string_agg(kind, ' ' order by id) from ops.outbox") ==
        "initiated completed");
}
