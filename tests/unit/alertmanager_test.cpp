// What Alertmanagers send, and what is no such thing.

#include "engine/http/alertmanager.hpp"

#include <string>

#include <doctest/doctest.h>

#include "engine/clock.hpp"
#include "tests/support/random.hpp"

namespace rollbackd::engine {
namespace {

// As Debian's Alertmanager 0.25 sends it, and keys of later ones.
const std::string captured =
    R"({"receiver":"hook","status":"firing","alerts":[)"
    R"({"status":"firing","labels":{"alertname":"ApiP95High","environment":"production",)"
    R"("service":"api","severity":"critical"},"annotations":{"description":"d",)"
    R"("summary":"P95 above 500ms"},"startsAt":"2025-12-15T14:35:00.123456789Z",)"
    R"("endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://127.0.0.1:9090/graph",)"
    R"("fingerprint":"7205a416027c0e69"},)"
    R"({"status":"resolved","labels":{"alertname":"Down","environment":"production",)"
    R"("service":"web"},"annotations":{},"startsAt":"2025-12-15T14:35:00Z",)"
    R"("endsAt":"2025-12-15T16:40:00+02:00","fingerprint":"b"},)"
    R"({"status":"firing","labels":{"alertname":"Disk"},"startsAt":"2025-12-15T14:35:00Z",)"
    R"("fingerprint":"c"}],)"
    R"("groupLabels":{},"commonLabels":{},"externalURL":"http://vm:9093","version":"4",)"
    R"("groupKey":"{}:{}","truncatedAlerts":0,"notification_reason":"x","routeLabels":{}})";

AlertDelivery good(std::string_view body) {
  auto read = read_alert_delivery(body);
  REQUIRE(std::holds_alternative<AlertDelivery>(read));
  return std::get<AlertDelivery>(std::move(read));
}

std::string bad(std::string_view body) {
  const auto read = read_alert_delivery(body);
  REQUIRE(std::holds_alternative<ApiResponse>(read));
  const auto& response = std::get<ApiResponse>(read);
  CHECK(response.status == 400);
  return response.body;
}

// An alert with one of its parts replaced.
std::string with(std::string_view part, std::string_view by) {
  std::string alert =
      R"({"status":"firing","labels":{"alertname":"A","environment":"p","service":"s"},)"
      R"("startsAt":"2025-12-15T14:35:00Z","endsAt":"2025-12-15T14:36:00Z","fingerprint":"f"})";
  const auto at = alert.find(part);
  REQUIRE(at != std::string::npos);
  alert.replace(at, part.size(), by);
  return R"({"version":"4","alerts":[)" + alert + "]}";
}

constexpr rules::Second second = 1'765'809'300;  // 2025-12-15T14:35:00Z

}  // namespace

TEST_CASE("alertmanager: a delivery is read, and what is no service's counted") {
  const AlertDelivery delivery = good(captured);
  CHECK(delivery.left_out == 1);
  REQUIRE(delivery.alerts.size() == 2);
  const IncomingAlert& fires = delivery.alerts[0];
  CHECK(fires.fingerprint == "7205a416027c0e69");
  CHECK(fires.name == "ApiP95High");
  CHECK(fires.service == rules::Service{"production", "api"});
  CHECK(fires.starts_at == rules::instant_of(second) + rules::Duration{123'456});
  CHECK_FALSE(fires.resolved_at);
  CHECK(fires.summary == "P95 above 500ms");
  const IncomingAlert& resolved = delivery.alerts[1];
  CHECK(resolved.service.name == "web");
  CHECK(resolved.resolved_at == rules::instant_of(second + 300));
  CHECK(resolved.summary.empty());
}

TEST_CASE("alertmanager: of a fingerprint that is there twice the last counts") {
  const std::string alert =
      R"({"status":"firing","labels":{"alertname":"A","environment":"p","service":"s"},)"
      R"("startsAt":"2025-12-15T14:35:00Z","fingerprint":"f"})";
  std::string resolved = alert;
  resolved.replace(resolved.find("firing"), 6, "resolved");
  const auto delivery = good(R"({"version":"4","alerts":[)" + alert + "," + resolved + "]}");
  REQUIRE(delivery.alerts.size() == 1);
  REQUIRE(delivery.alerts[0].resolved_at);
  // Without a time of its end it is over by now.
  CHECK(*delivery.alerts[0].resolved_at <= wall_now());
}

TEST_CASE("alertmanager: no alerts, and labels that are empty, are no mistake") {
  CHECK(good(R"({"version":"4","alerts":[]})").alerts.empty());
  CHECK(good(with(R"("service":"s")", R"("service":"")")).left_out == 1);
  CHECK(good(with(R"("environment":"p",)", "")).left_out == 1);
}

TEST_CASE("alertmanager: what max_alerts has cut off is counted, as far as it can be believed") {
  const auto left_out = [](const std::string& number) {
    return good(R"({"version":"4","alerts":[],"truncatedAlerts":)" + number + "}").left_out;
  };
  CHECK(left_out("0") == 0);
  CHECK(left_out("12") == 12);
  CHECK(left_out("18446744073709551615") == 1'000'000);
  CHECK(left_out("-1") == 0);
  CHECK(left_out("\"many\"") == 0);
}

TEST_CASE("alertmanager: a summary is made fit for people, and short") {
  const auto summary_of = [](const std::string& text) {
    return good(with(R"("startsAt")", R"("annotations":{"summary":")" + text + R"("},"startsAt")"))
        .alerts.at(0)
        .summary;
  };
  CHECK(summary_of("a\\u001b[31mb") == "ab");
  CHECK(summary_of(std::string(5000, 'x')).size() <= 2000);
}

TEST_CASE("alertmanager: a mistake is told with its place and what is expected") {
  CHECK(bad("").find("The body is empty") != std::string::npos);
  CHECK(bad("{").find("Malformed JSON") != std::string::npos);
  CHECK(bad("[]").find("Invalid body") != std::string::npos);
  CHECK(bad(R"({"alerts":[]})").find("version has to be") != std::string::npos);
  CHECK(bad(R"({"version":"3","alerts":[]})").find("Alertmanager 0.16") != std::string::npos);
  CHECK(bad(R"({"version":"4"})").find("alerts has to be a list") != std::string::npos);
  CHECK(bad(R"({"version":"4","alerts":{}})").find("Invalid alerts") != std::string::npos);
  CHECK(bad(R"({"version":"4","alerts":[1]})").find("alerts[0] has to be") != std::string::npos);
  const auto tells = [](std::string_view part, std::string_view by, std::string_view place) {
    const std::string body = bad(with(part, by));
    CAPTURE(body);
    CHECK(body.find("Invalid alerts[0]." + std::string{place} + "\"") != std::string::npos);
  };
  tells("\"firing\"", "\"silenced\"", "status");
  tells("\"firing\"", "1", "status");
  tells(R"("fingerprint":"f")", R"("x":1)", "fingerprint");
  tells(R"("alertname":"A",)", "", "labels.alertname");
  tells(R"({"alertname":"A","environment":"p","service":"s"})", "[]", "labels");
  tells(R"("service":"s")", R"("service":7)", "labels.service");
  tells(R"("service":"s")", R"("service":"\u0000")", "labels.service");
  tells(R"("service":"s")", R"("service":")" + std::string(501, 'x') + "\"", "labels.service");
  tells("2025-12-15T14:35:00Z", "yesterday", "startsAt");
  tells(R"("2025-12-15T14:35:00Z")", "1765809300", "startsAt");
  tells(R"("firing","labels")", R"("resolved","endsAt":"soon","labels")", "endsAt");
}

TEST_CASE("alertmanager: whatever bytes come, there is an answer") {
  tests::Random random{tests::seed()};
  CAPTURE(tests::seed());
  for (int i = 0; i < 2000; ++i) {
    std::string body = captured;
    for (std::int64_t changes = random.between(1, 8); changes > 0; --changes) {
      body[static_cast<std::size_t>(
          random.between(0, static_cast<std::int64_t>(body.size()) - 1))] =
          static_cast<char>(random.between(0, 255));
    }
    const auto read = read_alert_delivery(body);
    if (const auto* refused = std::get_if<ApiResponse>(&read)) {
      CHECK(refused->status == 400);
    }
  }
}

}  // namespace rollbackd::engine
