#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

// The audit's interval is a minute: long for a test, but it is the real one.
constexpr double longer_than_an_audit = 150;

void expect_recent(Stage& stage, const std::string& deployment, int count, double seconds) {
  eventually("the count in memory", seconds, [&] {
    return stage.check(deployment).body.find("\"recent_errors\":" + std::to_string(count) + ",") !=
           std::string::npos;
  });
}

}  // namespace

TEST_CASE("the audit finds what no difference can: rows removed, and rows of no known xid") {
  Stage stage{
      "triggers: [{name: error_rate, signal: errors_per_minute, window: 60s, above: 1000}]\n"};
  const std::string id = stage.deploy("v1");
  stage.wait_until_watched(id);
  stage.log_errors(8);
  expect_recent(stage, id, 8, 60);
  stage.ask("delete from ops.system_logs where id in (select id from ops.system_logs limit 5)");
  stage.ask(
      "insert into ops.system_logs (severity, source, message, xid)"
      " values ('error', 's', 'restored from a dump', null)");
  expect_recent(stage, id, 4, longer_than_an_audit);
  CHECK(stage.disagreement(id) == "");
  CHECK(stage.metric("rollbackd_window_drift") == "0");
  CHECK(stage.metric("rollbackd_feed_foreign_rows") == "1");
  stage.daemon().wait_for_log({"event=foreign_rows", "log=ops.system_logs", "rows=1"});
}
