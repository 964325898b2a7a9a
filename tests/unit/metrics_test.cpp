#include "engine/telemetry/metrics.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include <doctest/doctest.h>

#include "engine/telemetry/process_stats.hpp"
#include "tests/support/metrics_kit.hpp"

namespace rollbackd::engine {
namespace {

using rules::instant_of;

// "name type", sorted as the scrape has them.
std::string names_in(const std::string& scrape) {
  std::istringstream in{scrape};
  std::string names;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# TYPE ")) {
      names += line.substr(7) + "\n";
    }
  }
  return names;
}

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && std::string_view{value} == "1";
}

}  // namespace

TEST_CASE("metrics: the list of names is the one that dashboards rely on") {
  const std::string path = std::string{ROLLBACKD_SOURCE_DIR} + "/tests/golden/metrics.txt";
  const std::string names = names_in(Metrics{200}.scrape(FakeView{}, {}));
  if (is_set("REWRITE")) {
    std::ofstream{path} << names;
  }
  std::ifstream in{path};
  const std::string golden{std::istreambuf_iterator<char>{in}, {}};
  CHECK_MESSAGE(names == golden, "after a look at the difference: REWRITE=1 and run again");
}

TEST_CASE("metrics: promtool finds nothing to say") {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
    CHECK_MESSAGE(!is_set("ROLLBACKD_REQUIRE_TOOLS"), "promtool is missing: ./dev setup test");
    MESSAGE("promtool is not installed, nothing checked");
    return;
  }
  std::string file = "/tmp/rollbackd-metrics-XXXXXX";
  const int made = mkstemp(file.data());
  REQUIRE(made >= 0);
  std::ofstream{file} << Metrics{200}.scrape(FakeView{}, {});
  CHECK(std::system(("promtool check metrics < " + file).c_str()) == 0);
  std::remove(file.c_str());
}

TEST_CASE("metrics: every series is there at zero from the start") {
  const std::string text = Metrics{200}.scrape(FakeView{}, {});
  for (const rules::Reason reason : rules::all_reasons()) {
    CHECK(has_line(text,
                   "rollbackd_decisions_total{reason=\"" + std::string{name_of(reason)} + "\"} 0"));
  }
  CHECK(has_line(text, "rollbackd_rollbacks_total{outcome=\"success\",reason=\"rollback\"} 0"));
  CHECK(has_line(text, "rollbackd_rollbacks_total{outcome=\"failed\",reason=\"deploy_failed\"} 0"));
  for (const rules::Reason reason : rules::all_reasons()) {
    CHECK(has_line(text, "rollbackd_suppressed_total{reason=\"" + std::string{name_of(reason)} +
                             "\"} 0") == rules::is_suppression(reason));
  }
  for (const rules::AlertKind kind : rules::all_alert_kinds()) {
    CHECK(has_line(text, "rollbackd_alerts_total{kind=\"" + std::string{name_of(kind)} + "\"} 0"));
  }
  CHECK(text.find("rollbackd_suppressed_total{reason=\"rollback\"}") == std::string::npos);
  CHECK(has_line(text, "rollbackd_roman_events_total{event_type=\"leadership\"} 0"));
  CHECK(has_line(text, "rollbackd_alerts_total{kind=\"rejected\"} 0"));
  CHECK(has_line(text, "rollbackd_feed_events_total 0"));
  CHECK(has_line(text, "rollbackd_window_drift 0"));
  CHECK(has_line(text, "rollbackd_event_to_decision_seconds_bucket{le=\"0.001\"} 0"));
  CHECK(has_line(text, "rollbackd_event_to_decision_seconds_bucket{le=\"60\"} 0"));
  CHECK(has_line(text, "rollbackd_feed_lag_seconds_count 0"));
}

TEST_CASE("metrics: the adapters' numbers arrive, percents as ratios") {
  Metrics metrics{200};
  metrics.count(Count::feed_events, 3);
  metrics.set(Level::connection_utilisation_percent, 87.5);
  metrics.set(Level::leader, 1);
  metrics.observe(Timing::feed_poll, 0.002);
  const std::string text = metrics.scrape(FakeView{}, {});
  CHECK(has_line(text, "rollbackd_feed_events_total 3"));
  CHECK(has_line(text, "rollbackd_connection_utilisation_ratio 0.875"));
  CHECK(has_line(text, "rollbackd_leader 1"));
  CHECK(has_line(text, "rollbackd_feed_poll_duration_seconds_bucket{le=\"0.0025\"} 1"));
  CHECK(has_line(text, "rollbackd_feed_poll_duration_seconds_bucket{le=\"0.001\"} 0"));
}

TEST_CASE("metrics: a decision counts by its reason, and as suppressed unless it is a rollback") {
  Metrics metrics{200};
  rules::Output output;
  output.explanations.push_back({{"p", "a"}, {}, rules::Reason::latched, "t", 1, 0});
  output.explanations.push_back({{"p", "a"}, {}, rules::Reason::rollback, "t", 1, 0});
  metrics.decided(output);
  const std::string text = metrics.scrape(FakeView{}, {});
  CHECK(has_line(text, "rollbackd_decisions_total{reason=\"latched\"} 1"));
  CHECK(has_line(text, "rollbackd_decisions_total{reason=\"rollback\"} 1"));
  CHECK(has_line(text, "rollbackd_suppressed_total{reason=\"latched\"} 1"));
}

TEST_CASE("metrics: the time to a decision is counted from the newest event of its batch") {
  Metrics metrics{200};
  rules::FeedBatch batch;
  const rules::Instant at = instant_of(1000) - std::chrono::milliseconds{40};
  batch.events.push_back({std::nullopt, {"production", "api"}, instant_of(900), {{900, 5}}});
  batch.events.push_back({std::nullopt, {"production", "api"}, at, {{999, 1}}});
  batch.events.push_back({std::nullopt, {"production", "other"}, instant_of(1000), {{1000, 1}}});
  metrics.took(batch);
  rules::Output output;
  output.commits.push_back(commit_of(rules::PutRollback{some_rollback(), true}));
  metrics.decided(output);
  CHECK(has_line(metrics.scrape(FakeView{}, {}),
                 "rollbackd_event_to_decision_seconds_bucket{le=\"0.05\"} 1"));
  CHECK(has_line(metrics.scrape(FakeView{}, {}),
                 "rollbackd_event_to_decision_seconds_bucket{le=\"0.025\"} 0"));

  // A decision that only time brought has no event that tipped the scales.
  metrics.took(rules::Tick{});
  metrics.decided(output);
  CHECK(has_line(metrics.scrape(FakeView{}, {}), "rollbackd_event_to_decision_seconds_count 1"));
}

TEST_CASE("metrics: requests count by route, whatever else is asked for in one series") {
  Metrics metrics{200};
  metrics.expect("GET", "/history");
  metrics.answered("GET", "/history", 200);
  metrics.answered("GET", "/history", 404);
  metrics.answered("", "", 405);
  metrics.answered("BREW", "/coffee", 499);
  metrics.answered("GET", "/history", 999);
  metrics.answered("GET", "/history", 101);
  const std::string text = metrics.scrape(FakeView{}, {});
  const auto line = [](const std::string& code, const std::string& method,
                       const std::string& route) {
    return "rollbackd_http_requests_total{code=\"" + code + "\",method=\"" + method +
           "\",route=\"" + route + "\"} ";
  };
  CHECK(has_line(text, line("2xx", "GET", "/history") + "1"));
  CHECK(has_line(text, line("4xx", "GET", "/history") + "1"));
  CHECK(has_line(text, line("5xx", "GET", "/history") + "1"));
  CHECK(has_line(text, line("4xx", "any", "unknown") + "2"));
  CHECK(text.find("BREW") == std::string::npos);
}

TEST_CASE("metrics: readiness is told by part") {
  const Metrics metrics{200};
  const std::string well = metrics.scrape(FakeView{}, {true, {}});
  CHECK(has_line(well, "rollbackd_ready 1"));
  CHECK(has_line(well, "rollbackd_problem{part=\"windows\"} 0"));
  const std::string ill = metrics.scrape(FakeView{}, {false, {"windows"}});
  CHECK(has_line(ill, "rollbackd_ready 0"));
  CHECK(has_line(ill, "rollbackd_problem{part=\"windows\"} 1"));
  CHECK(has_line(ill, "rollbackd_problem{part=\"canary\"} 0"));
}

TEST_CASE("metrics: a heartbeat has a round trip and a time") {
  Metrics metrics{200};
  rules::Output output;
  output.heartbeat = rules::Heartbeat{instant_of(2000), instant_of(2000) + rules::Duration{3000}};
  metrics.decided(output);
  const std::string text = metrics.scrape(FakeView{}, {});
  CHECK(has_line(text, "rollbackd_heartbeat_timestamp_seconds 2000"));
  CHECK(has_line(text, "rollbackd_heartbeat_round_trip_seconds_bucket{le=\"0.005\"} 1"));
  CHECK(has_line(text, "rollbackd_heartbeat_round_trip_seconds_bucket{le=\"0.0025\"} 0"));
}

TEST_CASE("metrics: as OpenMetrics, counters by their own name, floats, and an end") {
  Metrics metrics{200};
  metrics.count(Count::feed_events, 3);
  metrics.observe(Timing::snapshot, 0.75);
  FakeView view;
  view.all[0].version = "v\"3\"\n\\";
  const std::string text = metrics.scrape(view, {}, Exposition::open_metrics);
  CHECK(has_line(text, "# TYPE rollbackd_feed_events counter"));
  CHECK(has_line(text, "# HELP rollbackd_feed_events Events taken in."));
  CHECK(has_line(text, "rollbackd_feed_events_total 3.0"));
  CHECK(has_line(text, "# TYPE rollbackd_ready gauge"));
  CHECK(has_line(text, "rollbackd_snapshot_duration_seconds_bucket{le=\"0.5\"} 0.0"));
  CHECK(has_line(text, "rollbackd_snapshot_duration_seconds_bucket{le=\"1.0\"} 1.0"));
  CHECK(has_line(text, "rollbackd_snapshot_duration_seconds_bucket{le=\"+Inf\"} 1.0"));
  CHECK(has_line(text, "rollbackd_snapshot_duration_seconds_sum 0.75"));
  CHECK(has_line(text, "rollbackd_snapshot_duration_seconds_count 1.0"));
  CHECK(text.find("version=\"v\\\"3\\\"\\n\\\\\"") != std::string::npos);
  CHECK(text.ends_with("\n# EOF\n"));
  CHECK(text.find("_total counter") == std::string::npos);
}

TEST_CASE("metrics: services are told one by one up to the limit, and the rest counted") {
  Metrics metrics{2};
  FakeView view;
  view.all.push_back({{"production", "web"}, {}, "v\"3\"\n", 0, 0, rules::State::healthy, {}});
  view.all.push_back({{"production", "zoo"}, {}, "v1", 0, 0, rules::State::healthy, {}});
  const std::string text = metrics.scrape(view, {});
  const std::string api = "{target_environment=\"production\",target_service=\"api\"";
  CHECK(has_line(text, "rollbackd_errors_per_minute" + api + "} 8.5"));
  CHECK(has_line(text, "rollbackd_recent_errors" + api + "} 42"));
  CHECK(has_line(text, "rollbackd_response_time_p95_seconds" + api + "} 0.25"));
  CHECK(text.find("rollbackd_response_time_p95_seconds{target_environment=\"production\","
                  "target_service=\"web\"}") == std::string::npos);
  CHECK(has_line(text, "rollbackd_deployment_info" + api + ",version=\"v2\"} 1"));
  CHECK(has_line(text, "rollbackd_service_state" + api + ",state=\"firing\"} 1"));
  CHECK(text.find("version=\"v\\\"3\\\"\\n\"") != std::string::npos);
  CHECK(text.find("zoo") == std::string::npos);
  CHECK(has_line(text, "rollbackd_services 3"));
  CHECK(has_line(text, "rollbackd_services_left_out 1"));
  CHECK(has_line(text, "rollbackd_active_rollbacks 1"));
  CHECK(has_line(text, "rollbackd_windows_as_of_timestamp_seconds 1765809300"));
}

TEST_CASE("metrics: a name that is no UTF-8 neither breaks a scrape nor makes two equal series") {
  Metrics metrics{200};
  FakeView view;
  view.all = {{{"p", "\xff"}, {}, "v", 0, 0, rules::State::healthy, {}},
              {{"p", "\xfe"}, {}, "v", 0, 0, rules::State::healthy, {}}};
  const std::string text = metrics.scrape(view, {});
  CHECK(text.find('\xff') == std::string::npos);
  CHECK(has_line(text, "rollbackd_services_left_out 1"));
}

TEST_CASE("metrics: the process is seen as /proc has it") {
  const ProcessStats stats = read_process_stats();
  CHECK(stats.open_fds >= 3);
  CHECK(stats.max_fds >= stats.open_fds);
  CHECK(stats.threads >= 1);
  CHECK(stats.resident_memory_bytes > 1e6);
  CHECK(stats.virtual_memory_bytes >= stats.resident_memory_bytes);
  CHECK(stats.cpu_seconds >= 0);
  CHECK(stats.cpu_seconds < 1e6);
  CHECK(stats.start_time_seconds > 1.7e9);
}

}  // namespace rollbackd::engine
