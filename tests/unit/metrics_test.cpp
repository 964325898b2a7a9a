#include "engine/telemetry/metrics.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include <doctest/doctest.h>

#include "engine/telemetry/process_stats.hpp"

namespace rollbackd::engine {
namespace {

using rules::instant_of;

class FakeView final : public View {
 public:
  [[nodiscard]] std::optional<rules::CheckView> check(
      const rules::DeploymentId& /*id*/) const override {
    return std::nullopt;
  }
  [[nodiscard]] std::vector<rules::ServiceView> services() const override { return all; }
  [[nodiscard]] bool has_windows() const override { return true; }
  [[nodiscard]] bool is_complete() const override { return true; }
  [[nodiscard]] rules::Second as_of() const override { return 1'765'809'300; }
  [[nodiscard]] std::size_t active_rollbacks() const override { return 1; }
  [[nodiscard]] EarlyEvents early_events() const override { return {}; }
  [[nodiscard]] const std::optional<rules::ControlRead>& control() const override {
    return control_read;
  }
  std::optional<rules::ControlRead> control_read;

  std::vector<rules::ServiceView> all{
      {{"production", "api"}, {}, "v2", 8.5, 42, rules::State::firing, 0.25}};
};

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

rules::Commit commit_of(rules::JournalEntry entry) {
  rules::Commit commit;
  commit.entries.push_back(std::move(entry));
  return commit;
}

rules::Rollback some_rollback() {
  rules::Rollback rollback;
  rollback.id = rules::EventId{{1}};
  rollback.deployment = rules::DeploymentId{{2}};
  rollback.service = {"production", "api"};
  rollback.decided_at = instant_of(1000);
  return rollback;
}

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
  const std::string names = names_in(Metrics{200}.scrape(FakeView{}));
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
  std::ofstream{file} << Metrics{200}.scrape(FakeView{});
  CHECK(std::system(("promtool check metrics < " + file).c_str()) == 0);
  std::remove(file.c_str());
}

TEST_CASE("metrics: every series is there at zero from the start") {
  const std::string text = Metrics{200}.scrape(FakeView{});
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
  const std::string text = metrics.scrape(FakeView{});
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
  const std::string text = metrics.scrape(FakeView{});
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
  CHECK(has_line(metrics.scrape(FakeView{}),
                 "rollbackd_event_to_decision_seconds_bucket{le=\"0.05\"} 1"));
  CHECK(has_line(metrics.scrape(FakeView{}),
                 "rollbackd_event_to_decision_seconds_bucket{le=\"0.025\"} 0"));

  // A decision that only time brought has no event that tipped the scales.
  metrics.took(rules::Tick{});
  metrics.decided(output);
  CHECK(has_line(metrics.scrape(FakeView{}), "rollbackd_event_to_decision_seconds_count 1"));
}

TEST_CASE("metrics: a rollback counts once when it begins and once when it ends") {
  Metrics metrics{200};
  rules::Rollback rollback = some_rollback();
  metrics.committed(commit_of(rules::PutRollback{rollback, true}), rules::seconds{0});
  metrics.committed(commit_of(rules::PutRollback{rollback}), rules::seconds{0});
  rollback.status = rules::RollbackStatus::success;
  rollback.completed_at = instant_of(1045);
  metrics.committed(commit_of(rules::PutRollback{rollback}), rules::seconds{0});
  metrics.committed(commit_of(rules::PutRollback{rollback}), rules::seconds{0});
  const std::string text = metrics.scrape(FakeView{});
  CHECK(has_line(text, "rollbackd_rollbacks_started_total 1"));
  CHECK(has_line(text, "rollbackd_rollbacks_total{outcome=\"success\",reason=\"rollback\"} 1"));
  CHECK(has_line(text, "rollbackd_decision_to_recovered_seconds_sum 45"));
  CHECK(has_line(text, "rollbackd_journal_wait_seconds_count 4"));
}

TEST_CASE("metrics: a rollback begun before a restart counts when it ends") {
  Metrics metrics{200};
  rules::Rollback rollback = some_rollback();
  metrics.took(rules::JournalRead{{rollback}, {}, {}});
  rollback.status = rules::RollbackStatus::failed;
  rollback.ended_by = rules::Reason::outcome_unknown;
  metrics.committed(commit_of(rules::PutRollback{rollback}), rules::seconds{0});
  const std::string text = metrics.scrape(FakeView{});
  CHECK(
      has_line(text, "rollbackd_rollbacks_total{outcome=\"failed\",reason=\"outcome_unknown\"} 1"));
  CHECK(has_line(text, "rollbackd_rollbacks_started_total 0"));
}

TEST_CASE("metrics: a rejection is no rollback") {
  Metrics metrics{200};
  rules::Rollback rejection = some_rollback();
  rejection.type = rules::TriggerType::constitutional_violation;
  rejection.status = rules::RollbackStatus::aborted;
  metrics.committed(commit_of(rules::PutRollback{rejection, true}), rules::seconds{0});
  metrics.committed(commit_of(rules::Alert{rules::AlertKind::rejected, rejection}),
                    rules::seconds{0});
  const std::string text = metrics.scrape(FakeView{});
  CHECK(has_line(text, "rollbackd_rollbacks_started_total 0"));
  CHECK(text.find("rollbackd_rollbacks_total{outcome=\"aborted\",reason=\"rollback\"} 0") !=
        std::string::npos);
  CHECK(has_line(text, "rollbackd_alerts_total{kind=\"rejected\"} 1"));
}

TEST_CASE("metrics: services are told one by one up to the limit, and the rest counted") {
  Metrics metrics{2};
  FakeView view;
  view.all.push_back({{"production", "web"}, {}, "v\"3\"\n", 0, 0, rules::State::healthy, {}});
  view.all.push_back({{"production", "zoo"}, {}, "v1", 0, 0, rules::State::healthy, {}});
  const std::string text = metrics.scrape(view);
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
  const std::string text = metrics.scrape(view);
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
