#include <cmath>
#include <map>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include "engine/feed/response_times_sql.hpp"
#include "rules/duration_bin.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/random.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

constexpr const char* only_p95 =
    "triggers: [{name: slow, signal: response_time_p95, window: 60s, above: 5, action: warn}]\n";

// Rows that are there already are no new ones for the counters.
void wait_until_timed(Stage& stage) { stage.daemon().wait_for_log({"response_times_complete"}); }

void time_requests(Stage& stage, double milliseconds, int count, const std::string& more = "",
                   const std::string& value = "") {
  stage.ask("insert into ops.response_times (duration_ms" + more + ") select " +
            std::to_string(milliseconds) + value + " from generate_series(1, " +
            std::to_string(count) + ")");
}

std::string p95_of(Stage& stage, const std::string& service = "app") {
  return stage.metric(
      "rollbackd_response_time_p95_seconds{target_environment=\"production\","
      "target_service=\"" +
      service + "\"}");
}

void expect_p95(Stage& stage, const std::string& expected, const std::string& service = "app") {
  eventually(("a P95 of " + expected).c_str(), 45,
             [&] { return p95_of(stage, service) == expected; });
}

}  // namespace

TEST_CASE("response times: SQL and C++ put every duration into the same bin") {
  CAPTURE(seed());
  InstalledPostgres postgres;
  const auto connection = connect(postgres.conninfo());
  rows(*connection,
       "insert into ops.deployments (version, git_commit, git_branch, status, environment)"
       " values ('v1', 'c', 'main', 'success', 'production')");
  Random random{seed()};
  std::map<std::string, std::uint64_t> expected;
  std::string values;
  const auto put = [&](double milliseconds) {
    std::ostringstream text;
    text.precision(17);
    text << milliseconds;
    values += (values.empty() ? "(" : ",(") + text.str() + ")";
    ++expected[std::to_string(rollbackd::rules::duration_bin_of(milliseconds))];
  };
  put(0);
  for (const double edge : rollbackd::rules::duration_bin_edges_ms()) {
    put(edge);
    put(std::nextafter(edge, 0));
    put(std::nextafter(edge, 1e9));
  }
  for (int i = 0; i < 10'000; ++i) {
    put(std::exp(static_cast<double>(random.between(-6'000, 20'000)) / 1000.0));
  }
  rows(*connection, "insert into ops.response_times (duration_ms) values " + values);
  rows(*connection, "set timezone = 'UTC'");
  const std::string events = query(*connection, "select ops.rollbackd_events_query()");
  const auto found = rows(*connection, rollbackd::engine::response_times_sql(events, 300).recount);
  std::map<std::string, std::uint64_t> counted;
  for (const auto& row : found) {
    if (row[0].c_str()[0] == 'g') {
      std::istringstream cells{row[5].c_str()};
      std::string slice;
      std::string bin;
      std::uint64_t n = 0;
      while (cells >> slice >> bin >> n) {
        counted[bin] += n;
      }
    }
  }
  CHECK(counted == expected);
}

TEST_CASE("response times: 95 % within 0.1 s are fine, a P95 of 6 s is a warning, told once") {
  Stage stage;
  const std::string id = stage.deploy("v1");
  stage.wait_until_watched(id);
  time_requests(stage, 100, 95);
  time_requests(stage, 6000, 5);
  expect_p95(stage, "0.1005859375");
  time_requests(stage, 6000, 1);
  expect_p95(stage, "5.9375");
  eventually("the warning", 60, [&] {
    return stage.ask("select count(*) from ops.roman_events where event_type = 'warning'") == "1";
  });
  CHECK(stage.ask("select description from ops.roman_events where event_type = 'warning'") ==
        "response_time_p95: response_time_p95 5.94 above 5");
  CHECK(stage.ask("select metadata->>'deployment_id' || ' ' || (metadata->>'measured')"
                  " from ops.roman_events where event_type = 'warning'") == id + " 5.9375");
  time_requests(stage, 9000, 100);
  expect_p95(stage, "8.875");
  CHECK(stage.ask("select count(*) from ops.roman_events where event_type = 'warning'") == "1");
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "0");
}

TEST_CASE("response times: duration_ms of rows that count, never of info rows") {
  Stage stage{only_p95};
  stage.wait_until_watched(stage.deploy("v1"));
  wait_until_timed(stage);
  stage.ask(
      "insert into ops.system_logs (severity, source, message, metadata) select 'info', 's', 'm',"
      " '{\"duration_ms\": 60000}' from generate_series(1, 100)");
  stage.ask(
      "insert into ops.system_logs (severity, source, message, metadata)"
      " values ('error', 's', 'm', '{\"duration_ms\": 7000.5}')");
  expect_p95(stage, "7.0625");
  eventually("the warning", 60, [&] {
    return stage.ask("select description from ops.roman_events where event_type = 'warning'") ==
           "slow: response_time_p95 7.06 above 5";
  });
  CHECK(stage.metric("rollbackd_response_times_total") == "1");
}

TEST_CASE("response times: what is no duration is left out and counted, and hinders nothing") {
  Stage stage{only_p95};
  stage.wait_until_watched(stage.deploy("v1"));
  wait_until_timed(stage);
  for (const char* const odd : {"'NaN'", "'Infinity'", "'-Infinity'", "-1", "1e300"}) {
    stage.ask("insert into ops.response_times (duration_ms) values (" + std::string{odd} + ")");
  }
  for (const char* const odd : {"'infinity'", "'-infinity'", "now() + interval '1 hour'"}) {
    stage.ask("insert into ops.response_times (duration_ms, timestamp) values (1, " +
              std::string{odd} + ")");
  }
  for (const char* const odd :
       {"'{\"duration_ms\": \"7000\"}'", "'{\"duration_ms\": null}'", "'{\"duration_ms\": -1}'",
        "'{\"duration_ms\": [1]}'", "('{\"duration_ms\": 1' || repeat('0', 100000) || '}')::jsonb",
        // Next to these, rows that say nothing of a duration.
        "'\"duration_ms\"'", "'[]'", "null"}) {
    stage.ask(
        "insert into ops.system_logs (severity, source, message, metadata)"
        " values ('error', 's', 'm', " +
        std::string{odd} + ")");
  }
  stage.ask(
      "insert into ops.system_logs (severity, source, message, metadata) values ('error', 's',"
      " 'm', '{\"duration_ms\": 1e-9000}')");
  stage.ask(
      "insert into ops.response_times (duration_ms, deployment_id)"
      " select 9000, gen_random_uuid() from generate_series(1, 1000)");
  stage.ask(
      "insert into ops.response_times (duration_ms, service)"
      " select 9000, 'nobody ' || i from generate_series(1, 1000) i");
  stage.wait_for_metric("rollbackd_response_times_left_out_total", "13");
  stage.wait_for_metric("rollbackd_response_times_unattributed_total", "2000");
  expect_p95(stage, "6.103515625e-05");
  CHECK(stage.metric("rollbackd_response_times_complete") == "1");
  CHECK(stage.metric("rollbackd_feed_complete") == "1");
}

TEST_CASE("response times: attributed as events are, also those that a later deployment moves") {
  Stage stage{only_p95};
  const std::string old_one = stage.deployed_long_ago("v1");
  stage.wait_until_watched(stage.deploy("other", "in_progress", "other"));
  time_requests(stage, 1000, 100, ", timestamp", ", now() - interval '2 minutes'");
  time_requests(stage, 3000, 3);
  expect_p95(stage, "0.9921875");  // v1 has both
  stage.ask(
      "insert into ops.deployments (environment, service, version, git_commit, git_branch,"
      " status, deployed_at) values ('production', 'app', 'v2', 'c', 'main', 'in_progress',"
      " now() - interval '1 minute')");
  expect_p95(stage, "2.96875");
  time_requests(stage, 9000, 90, ", deployment_id", ", '" + old_one + "'");
  time_requests(stage, 2000, 200);
  expect_p95(stage, "1.984375");  // the 9 s are v1's, by their id
}

TEST_CASE("response times: each row once, whatever becomes of the connection") {
  Stage stage{only_p95};
  stage.wait_until_watched(stage.deploy("v1"));
  wait_until_timed(stage);
  time_requests(stage, 1000, 19);
  expect_p95(stage, "0.9921875");
  stage.ask(
      "select pg_terminate_backend(pid) from pg_stat_activity"
      " where application_name like '%response times%'");
  stage.daemon().wait_for_log({"response_times_late"});
  time_requests(stage, 9000, 1);  // one of 20: twice, and it would be above 5 %
  stage.wait_for_metric("rollbackd_response_times_complete", "1");
  expect_p95(stage, "0.9921875");
  time_requests(stage, 9000, 1);
  expect_p95(stage, "8.875");
}

TEST_CASE("response times: a rollback, where the configuration says so") {
  Stage stage{
      "triggers: [{name: slow, signal: response_time_p95, window: 60s, above: 2, action: "
      "rollback}]\n"};
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  time_requests(stage, 3000, 10);
  CHECK(stage.wait_for_end(bad) == "success");
  CHECK(stage.running_version() == "v1 commit-of-v1 app");
  CHECK(stage.ask("select trigger_reason from ops.rollback_events") ==
        "slow: response_time_p95 2.97 above 2");
}
