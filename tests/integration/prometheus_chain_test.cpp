// The whole chain, as people run it: Debian's Prometheus scrapes the daemon and evaluates our
// rules, Debian's Alertmanager routes what fires, to a pager and back into the daemon.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/http_stub.hpp"
#include "tests/support/monitoring.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

using Clock = std::chrono::steady_clock;

// One automatic rollback an hour, so that the second service that goes bad opens the breaker; and a
// service that is rolled back on the word of an alert only.
constexpr const char* two_ways = R"(
environments:
  production/slow: {triggers: [{name: slow, signal: alert, alert: CheckoutSlow}], rollback: {max_per_hour: 100}}
)";

// A rule of the service's own people, with the labels that take it to rollbackd.
constexpr const char* rules_of_the_service = R"(groups:
  - name: checkout
    rules:
      - alert: CheckoutSlow
        expr: max without (instance) (rollbackd_recent_errors{target_service="slow"}) > 2
        labels: {severity: critical, environment: production, service: slow, rollback: 'yes'}
        annotations: {summary: Checkout is slow.}
)";

// CHAIN_AS_SHIPPED=1: with the intervals of the files, to measure; without, seconds.
Monitoring::Replacements quick() {
  if (const char* shipped = std::getenv("CHAIN_AS_SHIPPED");  // NOLINT(concurrency-mt-unsafe)
      shipped != nullptr && *shipped == '1') {
    return {};
  }
  return {{"_interval: 15s", "_interval: 1s"},
          {"group_wait: 10s", "group_wait: 1s"},
          {"group_wait: 5s", "group_wait: 1s"},
          {"group_interval: 10s", "group_interval: 1s"},
          {"group_interval: 1m", "group_interval: 1s"}};
}

constexpr double patience = 120;

bool has(const StubRequest& request, const std::string& alert, const std::string& status) {
  return request.body.find("\"alertname\":\"" + alert + "\"") != std::string::npos &&
         request.body.find("{\"status\":\"" + status + "\",\"labels\"") != std::string::npos;
}

// Waits for the page and gives it.
StubRequest wait_for_page(const HttpStub& pager, const std::string& alert,
                          const std::string& status) {
  StubRequest found;
  eventually((alert + " to be " + status).c_str(), patience, [&] {
    for (const StubRequest& request : pager.requests()) {
      if (has(request, alert, status)) {
        found = request;
        return true;
      }
    }
    return false;
  });
  return found;
}

double seconds_since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

// Everything that takes part, with two services that go bad by their errors and one whose own
// people's alert says so.
struct Chain {
  HttpStub discord;
  HttpStub pager;
  HttpStub channel;
  HttpStub watchdog;
  Stage stage{
      std::string{two_ways} + "notify: {discord: {webhook_url: \"" +
          discord.url("/api/webhooks/1/x") + "\"}}\n",
      {},
      {{"  confirm: 1s\n", "  confirm: 1s\n  max_per_hour: 1\n"}, {"window: 2s", "window: 6s"}}};
  Monitoring monitoring{stage.http_port(),
                        "acting-token",
                        {pager.url("/page"), channel.url("/chat"), watchdog.url("/ping")},
                        rules_of_the_service,
                        quick()};
  std::string first;
  std::string slow;

  Chain() {
    discord.otherwise({200, R"({"id": "1"})"});
    wait_for_page(watchdog, "RollbackdWatchdog", "firing");
    for (const char* service : {"first", "second", "slow"}) {
      stage.deployed_long_ago("v1", service);
    }
    first = stage.deploy("v2", "in_progress", "first");
    stage.deploy("v2", "in_progress", "second");
    slow = stage.deploy("v2", "in_progress", "slow");
    stage.wait_until_watched(slow);
  }
  ~Chain() {
    if (std::uncaught_exceptions() > 0) {
      MESSAGE(monitoring.logs());
    }
  }

  // Seconds until our own alert about a breaker is out.
  double wait_for_own_alert(Clock::time_point begun) const {
    eventually("our own alert", patience, [&] {
      const auto requests = discord.requests();
      return std::any_of(requests.begin(), requests.end(), [](const StubRequest& request) {
        return request.body.find("BREAKER") != std::string::npos;
      });
    });
    return seconds_since(begun);
  }
};

bool can_run() {
  if (!Monitoring::is_installed()) {
    MESSAGE("skipped: prometheus or prometheus-alertmanager is not installed: ./dev setup test");
  }
  return Monitoring::is_installed();
}

}  // namespace

TEST_CASE("chain: a breaker opens, people are paged, close it, and the page is taken back") {
  if (!can_run()) {
    return;
  }
  Chain chain;
  Stage& stage = chain.stage;
  stage.log_errors(6, "first");
  CHECK(stage.wait_for_end(chain.first) == "success");
  const auto begun = Clock::now();
  stage.log_errors(6, "second");
  const double own = chain.wait_for_own_alert(begun);
  const StubRequest page = wait_for_page(chain.pager, "RollbackdBreakerOpen", "firing");
  MESSAGE("from the burst to our own alert: " << own << " s, to the page: " << seconds_since(begun)
                                              << " s");
  CHECK(page.body.find("\"severity\":\"critical\"") != std::string::npos);
  CHECK(page.body.find("runbooks#rollbackdbreakeropen") != std::string::npos);
  const std::string query = chain.monitoring.query("rollbackd_breakers_open");
  CHECK(query.find("\"1\"]") != std::string::npos);
  CHECK(http_request(stage.http_port(), "POST", "/auto-rollback/resume",
                     R"({"breaker": "production", "reason": "looked"})", "acting-token")
            .status == 200);
  const auto closed = Clock::now();
  wait_for_page(chain.pager, "RollbackdBreakerOpen", "resolved");
  MESSAGE("from closing the breaker to the page taken back: " << seconds_since(closed) << " s");
}

TEST_CASE("chain: an alert of the service's own rolls it back, and is resolved by that") {
  if (!can_run()) {
    return;
  }
  Chain chain;
  Stage& stage = chain.stage;
  const auto begun = Clock::now();
  stage.log_errors(3, "slow");
  CHECK(stage.wait_for_end(chain.slow, patience) == "success");
  MESSAGE("from the errors over the service's alert to its rollback's end: " << seconds_since(begun)
                                                                             << " s");
  CHECK(stage.ask("select trigger_reason from ops.rollback_events where deployment_id = '" +
                  chain.slow + "'") == "slow: alert 1 above 0");
  CHECK(stage.ask("select count(*) from ops.alerts") == "0");
  CHECK(stage.running_version() == "v1 commit-of-v1 slow");
}
