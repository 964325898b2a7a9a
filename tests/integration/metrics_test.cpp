// The metrics of the real daemon: valid, bounded, cheap.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

using Clock = std::chrono::steady_clock;

std::string scrape(const Stage& stage) {
  return http_request(stage.http_port(), "GET", "/metrics").body;
}

struct Size {
  int families = 0;
  int series = 0;
  std::size_t bytes = 0;
};

Size size_of(const std::string& text) {
  Size size;
  size.bytes = text.size();
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);) {
    size.families += line.starts_with("# TYPE ") ? 1 : 0;
    size.series += line.starts_with('#') ? 0 : 1;
  }
  return size;
}

double seconds_since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

bool is_there(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0;
}

double number(Stage& stage, const std::string& sql) { return std::stod(stage.ask(sql)); }

}  // namespace

TEST_CASE("metrics: as many series with ten thousand deployments of the same services") {
  Stage stage;
  stage.deployed_long_ago("v1", "one");
  stage.deployed_long_ago("v1", "two");
  stage.wait_for_metric("rollbackd_services", "2");
  const Size before = size_of(scrape(stage));
  stage.ask(
      "insert into ops.deployments (environment, service, version, git_commit, git_branch, status,"
      " deployed_at, completed_at) select 'production', (array['one', 'two'])[1 + i % 2],"
      " 'w' || i, 'c' || i, 'main', 'success', now() - interval '2 d' - i * interval '1 s', now()"
      " from generate_series(1, 10000) i");
  const std::string newest =
      stage.ask("select deployment_id from ops.deployments where version = 'w10000'");
  eventually("the last of them to be known", 60, [&] { return stage.check(newest).status == 200; });
  const std::string text = scrape(stage);
  const Size after = size_of(text);
  MESSAGE(before.families << " families, " << before.series << " series, " << before.bytes
                          << " bytes with two services; " << after.series
                          << " series with 10,000 deployments more");
  CHECK(after.families == before.families);
  CHECK(after.series == before.series);

  constexpr int times = 50;
  const auto begun = Clock::now();
  for (int i = 0; i < times; ++i) {
    scrape(stage);
  }
  MESSAGE("a scrape takes " << seconds_since(begun) / times * 1000 << " ms");

  if (is_there("promtool")) {
    const std::string file = stage.program_file().string() + ".metrics";
    std::ofstream{file} << text;
    CHECK(std::system(("promtool check metrics < " + file).c_str()) == 0);
  }
}

TEST_CASE("connections: the daemon has as many as the documentation says") {
  Stage stage;
  stage.wait_until_watched(stage.deploy("v1"));
  stage.wait_for_readiness(200);
  eventually("all of them", 60,
             [&] { return stage.daemon_connections() >= Stage::connections_told(); });
  CHECK(stage.daemon_connections() == Stage::connections_told());
}

TEST_CASE("metrics: with nothing happening the daemon asks the database a few times a second") {
  Stage stage;
  stage.wait_until_watched(stage.deploy("v1"));
  const auto pass = [](double seconds) {
    const auto begun = Clock::now();
    double passed = 0;
    eventually("time to pass", 30, [&] {
      passed = seconds_since(begun);
      return passed >= seconds;
    });
    return passed;
  };
  // Each session tells its numbers by itself, ten seconds after it became idle at the latest: those
  // of the start are not to be counted.
  pass(10.5);
  const std::string commits =
      "select xact_commit from pg_stat_database where datname = current_database()";
  const double first = number(stage, commits);
  const double polls = std::stod(stage.metric("rollbackd_feed_polls_total"));
  const double samples = std::stod(stage.metric("rollbackd_samples_total"));
  const double passed = pass(8);
  const double all = (number(stage, commits) - first) / passed;
  const double polled = (std::stod(stage.metric("rollbackd_feed_polls_total")) - polls) / passed;
  const double sampled = (std::stod(stage.metric("rollbackd_samples_total")) - samples) / passed;
  MESSAGE("transactions a second of the whole daemon, idle: "
          << all << "; of these the feed " << polled << ", the sampling " << sampled);
  CHECK(sampled < 1.5);
  CHECK(all < 20);
}
