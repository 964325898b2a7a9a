// The bell in a storm, and what anybody may write or ring.

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/stage.hpp"
#include "tests/support/traffic.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

const char* const never_fires =
    "triggers: [{name: error_rate, signal: errors_per_minute, window: 60s, above: 1000000000}]\n";

const std::string one_error =
    "insert into ops.system_logs (severity, source, message) values ('error', 'test', 'm')";

bool is_k_held(Stage& stage) {
  return stage.ask(
             "select count(*) from pg_locks where locktype = 'advisory' and granted"
             " and mode = 'ExclusiveLock' and classid = 1919904876"
             " and objid = 1650549611") != "0";
}

}  // namespace

TEST_CASE("in a storm the bell falls silent, each event is counted once, and it rings again") {
  Stage stage{never_fires};
  const std::string id = stage.deploy("v1");
  stage.wait_until_watched(id);
  int committed = 0;
  {
    std::vector<std::unique_ptr<ErrorTraffic>> writers;
    for (int i = 0; i < 6; ++i) {
      writers.push_back(std::make_unique<ErrorTraffic>(stage.postgres().conninfo()));
    }
    stage.daemon().wait_for_log({"event=doorbell_silenced"});
    eventually("K to be let go", 60, [&] { return !is_k_held(stage); });
    stage.wait_for_metric("rollbackd_doorbell_silent", "1");
    for (auto& writer : writers) {
      writer->stop();
      committed += writer->committed();
    }
  }
  CHECK(stage.disagreement(id) == "");
  CHECK(stage.metric("rollbackd_feed_events_total") == std::to_string(committed));
  eventually("the bell to ring again", 120, [&] {
    return stage.daemon().count_in_log("event=doorbell_taken") >= 2 && is_k_held(stage);
  });
  stage.wait_for_metric("rollbackd_doorbell_silent", "0");
  stage.ask(one_error);
  CHECK(stage.disagreement(id) == "");
  CHECK(stage.metric("rollbackd_feed_events_total") == std::to_string(committed + 1));
  CHECK(stage.metric("rollbackd_feed_rebuilds_total") == "2");  // at the start, and for v1
}

TEST_CASE("a writer that saw silence is counted when it commits, and K waits for its end") {
  Stage stage{never_fires};
  const std::string id = stage.deploy("v1");
  stage.wait_until_watched(id);
  const auto late = connect(stage.postgres().conninfo());
  {
    std::vector<std::unique_ptr<ErrorTraffic>> writers;
    for (int i = 0; i < 6; ++i) {
      writers.push_back(std::make_unique<ErrorTraffic>(stage.postgres().conninfo()));
    }
    stage.daemon().wait_for_log({"event=doorbell_silenced"});
    eventually("K to be let go", 60, [&] { return !is_k_held(stage); });
    rows(*late, "begin; " + one_error);
  }
  stage.daemon().wait_for_log({"event=doorbell_waits"}, 120);
  CHECK_FALSE(is_k_held(stage));
  stage.ask(one_error);
  CHECK(stage.disagreement(id) == "");
  rows(*late, "commit");
  CHECK(stage.disagreement(id) == "");
  eventually("the bell to ring again", 120, [&] { return is_k_held(stage); });
}

TEST_CASE(
    "rows that no clock ever reaches, or nobody owns, stop nothing, and each kind is counted") {
  Stage stage{never_fires};
  const std::string id = stage.deploy("v1");
  stage.wait_until_watched(id);
  stage.ask("alter table ops.system_logs alter column timestamp drop not null");
  const auto log = [&](const std::string& timestamp, const std::string& more = "null",
                       const std::string& times = "1") {
    stage.ask(
        "insert into ops.system_logs (severity, source, message, timestamp, deployment_id) select"
        " 'error', 'test', 'm', " +
        timestamp + ", " + more + " from generate_series(1, " + times + ")");
  };
  log("null");
  log("'infinity'");
  log("'-infinity'");
  log("'294276-12-31 23:59:59.999999+00'");
  log("'4713-01-01 00:00:00+00 BC'");
  log("now() + interval '3 days'");
  log("now() + interval '10 minutes'");
  log("now()", "gen_random_uuid()", "20000");
  stage.ask(
      "insert into ops.system_logs (severity, source, message, service)"
      " select 'error', 'test', 'm', 'nobody' || i from generate_series(1, 5000) i");
  stage.ask(
      "insert into ops.system_logs (severity, source, message)"
      " values ('critical', 'test', repeat('x', 1000000))");
  stage.ask(one_error);
  stage.wait_for_metric("rollbackd_feed_untimed_rows_total", "3");
  stage.wait_for_metric("rollbackd_feed_early_rows_total", "3");
  stage.wait_for_metric("rollbackd_feed_unknown_deployment_events_total", "20000");
  stage.wait_for_metric("rollbackd_feed_unowned_events_total", "5000");
  stage.wait_for_metric("rollbackd_early_events", "1");
  CHECK(stage.disagreement(id) == "");
  CHECK(stage.check(id).body.find("\"recent_errors\":2,") != std::string::npos);
  // A rebuild reads all of them again.
  stage.ask(
      "select pg_terminate_backend(pid) from pg_stat_activity"
      " where application_name = 'rollbackd feed'");
  stage.daemon().wait_for_log({"event=feed_rebuilt", "why=reconnected"});
  CHECK(stage.disagreement(id) == "");
}

TEST_CASE("deployments with moments past all counting are read, and judged by nobody's clock") {
  Stage stage{never_fires};
  const std::string id = stage.deploy("v1");
  stage.wait_until_watched(id);
  stage.ask(
      "insert into ops.deployments (environment, service, version, git_commit, git_branch, status,"
      " deployed_at) values ('production', 'odd', 'v1', 'c', 'main', 'in_progress', 'infinity'),"
      " ('production', 'odd', 'v2', 'c', 'main', 'failed', '294276-12-31 00:00:00+00')");
  stage.ask(one_error);
  CHECK(stage.disagreement(id) == "");
  CHECK(stage.daemon().log().find("event=feed_lost") == std::string::npos);
}

TEST_CASE("forged notifications with any payload change no count, and are counted") {
  Stage stage{never_fires};
  const std::string id = stage.deploy("v1");
  stage.wait_until_watched(id);
  stage.ask("create role stranger login");
  const auto stranger = connect(stage.postgres().conninfo("stranger"));
  for (int i = 0; i < 3000; ++i) {
    rows(*stranger, "select pg_notify('rollbackd', '" + std::to_string(i) + " {\"a\": [')");
  }
  stage.wait_for_metric("rollbackd_feed_strange_bells_total", "3000");
  stage.ask(one_error);
  CHECK(stage.disagreement(id) == "");
  CHECK(stage.check(id).body.find("\"recent_errors\":1,") != std::string::npos);
}

TEST_CASE("with prepared transactions allowed it polls by design, and each is counted once") {
  Stage stage{never_fires, {{{"max_prepared_transactions", "2"}}}, {}, {.rings = false}};
  const std::string id = stage.deploy("v1");
  stage.wait_until_watched(id);
  stage.wait_for_readiness(200, "max_prepared_transactions");
  CHECK(stage.metric("rollbackd_feed_polling") == "1");
  CHECK_FALSE(is_k_held(stage));
  stage.ask("begin; " + one_error + "; prepare transaction 'later'");
  stage.ask(one_error);
  CHECK(stage.disagreement(id) == "");
  stage.ask("commit prepared 'later'");
  CHECK(stage.disagreement(id) == "");
  CHECK(stage.check(id).body.find("\"recent_errors\":2,") != std::string::npos);
}

TEST_CASE(
    "a log that is attached while the daemon runs is counted, and no more when it is let go") {
  Stage stage{never_fires};
  const std::string id = stage.deploy("v1");
  stage.wait_until_watched(id);
  stage.ask(
      "create table app_log (nr bigint generated always as identity primary key,"
      " happened timestamp not null default (now() at time zone 'UTC'), level text, what text)");
  stage.ask("insert into app_log (level) values ('FATAL')");
  stage.ask(
      "select ops.watch_error_log('app_log', p_key => 'nr', p_timestamp => 'happened',"
      " p_severity => 'level', p_message => 'what', p_severities => '{FATAL,ERROR}')");
  stage.daemon().wait_for_log({"event=feed_rebuilt", "why=watched_logs_changed"});
  stage.ask("insert into app_log (level) values ('ERROR'), ('INFO'), ('FATAL')");
  stage.ask(one_error);
  CHECK(stage.disagreement(id) == "");
  const std::string all = stage.check(id).body;
  CHECK(all.find("\"recent_errors\":4,") != std::string::npos);
  stage.ask("select ops.unwatch_error_log('app_log')");
  eventually("the log to be let go", 60, [&] {
    return stage.check(id).body.find("\"recent_errors\":1,") != std::string::npos;
  });
  stage.ask("drop table app_log");
  stage.ask(one_error);
  CHECK(stage.disagreement(id) == "");
}
