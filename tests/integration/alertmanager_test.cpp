// Alerts come in as signals: kept until they are resolved, whatever is told twice or restarted.

#include <string>

#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

constexpr const char* on_alert = "triggers: [{name: slow, signal: alert, alert: CheckoutSlow}]\n";

// The table of the Stage is everybody's: put in front of it.
Stage stage_on_alert() { return Stage{on_alert}; }

std::string delivery(const std::string& status, const std::string& starts,
                     const std::string& ends = "0001-01-01T00:00:00Z",
                     const std::string& fingerprint = "f1") {
  return R"({"version":"4","status":")" + status + R"(","alerts":[{"status":")" + status +
         R"(","labels":{"alertname":"CheckoutSlow","environment":"production","service":"app"},)"
         R"("annotations":{"summary":"slow"},"startsAt":")" +
         starts + R"(","endsAt":")" + ends + R"(","fingerprint":")" + fingerprint + R"("}]})";
}

// So many alerts that fire, in one delivery.
std::string many(int count, const std::string& summary = "s") {
  std::string alerts;
  for (int i = 0; i < count; ++i) {
    alerts += std::string{i > 0 ? "," : ""} +
              R"({"status":"firing","labels":{"alertname":"A","environment":"e","service":"s"},)"
              R"("annotations":{"summary":")" +
              summary + R"("},"startsAt":"2025-12-15T14:35:00Z","fingerprint":"m)" +
              std::to_string(i) + "\"}";
  }
  return R"({"version":"4","alerts":[)" + alerts + "]}";
}

HttpAnswer post(const Stage& stage, const std::string& body,
                const std::string& token = "acting-token") {
  return http_request(stage.http_port(), "POST", "/alertmanager", body, token);
}

std::string now_text(Stage& stage, const std::string& offset = "0 s") {
  return stage.ask("select to_char((now() + interval '" + offset +
                   "') at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
}

std::string kept(Stage& stage) {
  return stage.ask(
      "select coalesce(string_agg(fingerprint || ' ' || alert || ' ' || environment || "
      "'/' || service, ', ' order by fingerprint), '') from ops.alerts");
}

}  // namespace

TEST_CASE("alerts: one that fires rolls the service back, across a restart, and its end is taken") {
  Stage stage = stage_on_alert();
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  // While paused it is held, and known to who starts then.
  stage.ask(
      "update ops.control set paused = true, paused_by = 'me', reason = 'test', since = now()");
  stage.wait_for_metric("rollbackd_paused", "1");
  CHECK(post(stage, delivery("firing", now_text(stage))).status == 200);
  stage.wait_for_metric("rollbackd_alertmanager_alerts", "1");
  stage.daemon().kill();
  stage.restart_daemon();
  stage.wait_for_metric("rollbackd_alertmanager_alerts", "1");
  stage.ask("update ops.control set paused = false");
  eventually("the deploy", 60, [&] { return stage.running_version() == "v1 commit-of-v1 app"; });
  CHECK(post(stage, delivery("resolved", now_text(stage, "-60 s"), now_text(stage))).status == 200);
  CHECK(kept(stage).empty());
  CHECK(stage.wait_for_end(bad) == "success");
  CHECK(stage.ask("select trigger_reason from ops.rollback_events where deployment_id = '" + bad +
                  "' and trigger_type = 'automatic'") == "slow: alert 1 above 0");
}

TEST_CASE("alerts: what is told twice, late or in the wrong order changes nothing that is true") {
  Stage stage = stage_on_alert();
  const std::string began = now_text(stage, "-120 s");
  const std::string f1 = "f1 CheckoutSlow production/app";
  CHECK(post(stage, delivery("firing", began)).body == R"({"firing":1,"left_out":0,"resolved":0})");
  CHECK(post(stage, delivery("firing", began)).status == 200);
  CHECK(kept(stage) == f1);
  // The end of an earlier time that it fired.
  CHECK(post(stage, delivery("resolved", now_text(stage, "-600 s"), now_text(stage, "-300 s")))
            .status == 200);
  CHECK(kept(stage) == f1);
  const std::string resolved = delivery("resolved", began, now_text(stage));
  CHECK(post(stage, resolved).body == R"({"firing":0,"left_out":0,"resolved":1})");
  CHECK(post(stage, resolved).status == 200);
  CHECK(kept(stage).empty());
  stage.wait_for_metric("rollbackd_alertmanager_alerts_received_total{status=\"firing\"}", "2");
  stage.wait_for_metric("rollbackd_alertmanager_alerts_received_total{status=\"resolved\"}", "3");
}

TEST_CASE("alerts: bad bodies and tokens are refused, what is no service's is counted") {
  Stage stage;
  CHECK(post(stage, "{").status == 400);
  CHECK(post(stage, delivery("firing", "yesterday")).status == 400);
  CHECK(post(stage, delivery("firing", now_text(stage)), "").status == 401);
  CHECK(post(stage, delivery("firing", now_text(stage)), "test-token").status == 403);
  CHECK(http_request(stage.http_port(), "GET", "/alertmanager", "", "acting-token").status == 405);
  CHECK(post(stage, R"({"version":"4","alerts":[{"status":"firing","labels":{"alertname":"A"},)"
                    R"("startsAt":"2025-12-15T14:35:00Z","fingerprint":"x"}]})")
            .body == R"({"firing":0,"left_out":1,"resolved":0})");
  stage.wait_for_metric("rollbackd_alertmanager_alerts_left_out_total", "1");
  CHECK(kept(stage).empty());
}

TEST_CASE("alerts: those for which there is no room are left out, and those that are kept stay") {
  Stage stage;
  stage.ask(
      "insert into ops.alerts (fingerprint, alert, environment, service, starts_at)"
      " select 'g' || i, 'A', 'e', 's', now() from generate_series(1, 9999) i");
  CHECK(post(stage, delivery("firing", now_text(stage))).status == 200);
  CHECK(post(stage, delivery("firing", now_text(stage), "", "f2")).body ==
        R"({"firing":0,"left_out":1,"resolved":0})");
  CHECK(post(stage, delivery("firing", now_text(stage))).body ==
        R"({"firing":1,"left_out":0,"resolved":0})");
  stage.wait_for_metric("rollbackd_alertmanager_alerts", "10000");
  // Two for which there is one place.
  stage.ask("delete from ops.alerts where fingerprint = 'g1'");
  CHECK(post(stage, many(2)).body == R"({"firing":1,"left_out":1,"resolved":0})");
  CHECK(stage.ask("select count(*) from ops.alerts") == "10000");
}

TEST_CASE("alerts: a large group comes through, and is fast") {
  Stage stage;
  std::string body = many(2000, std::string(300, 'x'));
  MESSAGE(body.size() << " bytes");
  REQUIRE(body.size() > 64 * 1024);
  REQUIRE(body.size() < 1024 * 1024);
  CHECK(post(stage, body).body == R"({"firing":2000,"left_out":0,"resolved":0})");
  stage.wait_for_metric("rollbackd_alertmanager_alerts", "2000");
  // Such a delivery of which the Alertmanager has cut off the rest.
  body.insert(1, R"("truncatedAlerts":7,)");
  CHECK(post(stage, body).body == R"({"firing":2000,"left_out":7,"resolved":0})");
  stage.wait_for_metric("rollbackd_alertmanager_alerts_left_out_total", "7");
}

TEST_CASE("heartbeats go the whole way, are nobody's events, and stay few") {
  Stage stage;
  stage.deployed_long_ago("v1");
  stage.wait_for_metric("rollbackd_heartbeat_round_trip_seconds_count", "2");
  CHECK(std::stod(stage.metric("rollbackd_heartbeat_round_trip_seconds_sum")) < 2);
  CHECK(std::stod(stage.ask("select extract(epoch from now())")) -
            std::stod(stage.metric("rollbackd_heartbeat_timestamp_seconds")) <
        15);
  CHECK(stage.metric("rollbackd_feed_events_total") == "0");
  CHECK(stage.metric("rollbackd_feed_unowned_events_total") == "0");
  CHECK(stage.metric("rollbackd_heartbeats_failed_total") == "0");
  CHECK(std::stoi(stage.ask("select count(*) from ops.heartbeats")) <= 7);
  CHECK(stage.ask("select count(*) from ops.system_logs") == "0");
  CHECK(stage.ask("select count(*) from ops.deployments where environment = 'rollbackd'") == "0");
}
