#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

std::string record_of(Stage& stage, const std::string& deployment) {
  return stage.ask(
      "select status || ' ' || health_check_passed || ' ' ||"
      " coalesce(health_check_details->>'evidence', 'none') from ops.deployments"
      " where deployment_id = '" +
      deployment + "'");
}

}  // namespace

TEST_CASE("probation: silence and four errors pass, each by its own evidence; five do not") {
  Stage stage{"", {}, {{"probation: 5m", "probation: 5s"}}};
  const std::string silent = stage.deploy("silent", "in_progress", "a");
  const std::string four = stage.deploy("four", "in_progress", "b");
  const std::string five = stage.deploy("five", "success", "c");
  stage.log_errors(4, "b");
  stage.log_errors(5, "c");
  eventually("the probations to end", 60, [&] {
    return record_of(stage, silent) == "success true silence" &&
           record_of(stage, four) == "success true events";
  });
  CHECK(record_of(stage, five) == "success false none");
  CHECK(
      stage.ask("select count(*) from ops.roman_events where event_type = 'deployment_verified'") ==
      "2");
  CHECK(stage.ask("select (health_check_details->>'recent_errors') from ops.deployments"
                  " where deployment_id = '" +
                  four + "'") == "4");
  for (const std::string& id : {silent, four, five}) {
    CHECK(stage.disagreement(id) == "");
  }
}

TEST_CASE("a deployment that arrives pending is announced, and serves from its change on") {
  Stage stage;
  const std::string id = stage.deploy("v1", "pending");
  eventually("the pre_deployment snapshot", 60, [&] {
    return stage.ask("select string_agg(snapshot_type, ' ') from ops.system_snapshots") ==
           "pre_deployment";
  });
  stage.log_errors(2);
  stage.ask("update ops.deployments set status = 'in_progress'");
  stage.wait_until_watched(id);
  eventually("the post_deployment snapshot", 60, [&] {
    return stage.ask(
               "select string_agg(snapshot_type, ' ' order by id) from ops.system_snapshots") ==
           "pre_deployment post_deployment";
  });
  // What happened before it served is nobody's.
  CHECK(stage.disagreement(id) == "");
  CHECK(stage.check(id).body.find("\"recent_errors\":0") != std::string::npos);
  CHECK(
      stage.ask("select key_metrics ? 'connection_utilisation' and database_schema_hash is not null"
                " from ops.system_snapshots where snapshot_type = 'post_deployment'") == "t");
}
