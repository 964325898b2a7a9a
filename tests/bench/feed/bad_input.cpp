// Rows and notifications that nobody should send.

#include <atomic>
#include <future>

#include "tests/bench/feed/comparison.hpp"
#include "tests/bench/feed/detection.hpp"
#include "tests/bench/feed/ground.hpp"
#include "tests/bench/feed/sections.hpp"
#include "tests/support/quantile.hpp"

namespace rollbackd::tests {
namespace {

constexpr double detection_max_ms = 100;

// A row that nobody should write, and how.
struct BadRow {
  const char* what;
  const char* timestamp;
  const char* message;
  const char* deployment;
};

constexpr BadRow bad_rows[] = {
    {"no time", "null", "'m'", "null"},
    {"a time of infinity", "'infinity'", "'m'", "null"},
    {"a time of -infinity", "'-infinity'", "'m'", "null"},
    {"the last time there is", "'294276-12-31 23:59:59 UTC'", "'m'", "null"},
    {"the first time there is", "'4713-01-01 BC'", "'m'", "null"},
    {"a time a day ahead", "now() + interval '1 day'", "'m'", "null"},
    {"an unknown deployment", "now()", "'m'", "gen_random_uuid()"},
    {"an empty message", "now()", "''", "null"},
    {"a message of a megabyte", "now()", "repeat('x', 1000000)", "null"},
    {"\\u0000 and control characters", "now()", "E'\\\\u0000 \\x01\\r\\n'", "null"},
};

void report_bad_rows(Report& report, Ground& ground, const std::string& deployment,
                     const BadRow& row) {
  constexpr const char* copies = "100";
  rows(ground.stage().connection(),
       std::string{"insert into ops.system_logs"
                   " (timestamp, severity, source, message, service, deployment_id) select "} +
           row.timestamp + ", 'error', 'bad', " + row.message + ", 'storm', " + row.deployment +
           " from generate_series(1, " + copies + ")");
  const auto written = Steady::now();
  // Right is only who still hears of this one.
  ground.stage().log_errors(1, "storm");
  const Parity parity = ground.parity(deployment, "storm", written, Seconds{5});
  report.must(std::string{"memory equals SQL after "} + copies + " rows with " + row.what,
              parity.after && parity.stayed,
              parity.after ? text_of(parity.after->count(), 2) + " s" : "never",
              "memory " + parity.memory + ", SQL " + parity.sql);
  if (!parity.after) {
    rows(ground.stage().connection(), "delete from ops.system_logs where source = 'bad'");
    ground.parity(deployment, "storm", Steady::now(), Seconds{90});
  }
}

std::string numbers_of_skipped(Ground& ground) {
  return "skipped " + text_of(ground.metric("rollbackd_feed_rows_skipped_total"), 0) +
         ", of unknown deployments " +
         text_of(ground.metric("rollbackd_feed_unknown_deployment_events_total"), 0);
}

void report_forging(Report& report, Ground& ground, const std::string& deployment,
                    const Scale& scale) {
  // Each differs from the others, or the server would send only one of them.
  constexpr int a_commit = 100;
  constexpr int commits_a_second = 100;
  Writers forger{ground.conninfo(), 1};
  forger.prepare("forge",
                 "select pg_notify('rollbackd', repeat(chr(1 + n % 100), n * 50) || random())"
                 " from generate_series(1, 100) n");
  Detection detection{ground, "forged", scale.services / 3 + 1};
  std::atomic<bool> stopping{false};
  const Seconds idle_before = ground.processor_time();
  wait_for(scale.forging / 2);
  const Seconds idle = ground.processor_time() - idle_before;
  const double bells = ground.metric("rollbackd_feed_bells_total");

  const auto begun = Steady::now();
  const Seconds before = ground.processor_time();
  auto forging = std::async(std::launch::async, [&] {
    double sent = 0;
    for (int i = 0; !stopping; ++i) {
      wait_for(begun + i * Seconds{1.0 / commits_a_second} - Steady::now());
      forger.run("forge", Seconds{0});
      sent += a_commit;
    }
    return sent;
  });
  const auto taken = detection.run();
  wait_for(scale.forging - (Steady::now() - begun));
  const Seconds used = ground.processor_time() - before;
  const Seconds length = Steady::now() - begun;
  stopping = true;
  const double sent = forging.get();

  report.tell("forged notifications/s", text_of(sent / length.count(), 0),
              text_of(length.count(), 1) + " s; bells heard " +
                  text_of(ground.metric("rollbackd_feed_bells_total") - bells, 0));
  report.tell("  the daemon's part of a processor, without and with them",
              text_of(100 * idle.count() / (scale.forging.count() / 2), 1) + " %, " +
                  text_of(100 * used.count() / length.count(), 1) + " %");
  report.at_most("  detection meanwhile: 99th percentile", quantile(taken, 0.99), detection_max_ms,
                 "ms",
                 std::to_string(taken.size()) + " of " + std::to_string(detection.wanted()) +
                     " services, median " + text_of(quantile(taken, 0.5), 2) + " ms");
  const Parity after = ground.parity(deployment, "storm", Steady::now());
  report.must("  memory equals SQL afterwards", after.after && after.stayed,
              after.after ? text_of(after.after->count(), 2) + " s" : "never",
              "memory " + after.memory + ", SQL " + after.sql);
}

}  // namespace

void bench_bad_input(Report& report, const Scale& scale) {
  report.heading("bad input");
  on_ground(report, Disk::none, [&](Ground& ground) {
    const std::string deployment = ground.add_service("storm");
    // As somebody else's table might have it.
    rows(ground.stage().connection(), "alter table ops.system_logs alter timestamp drop not null");
    for (const BadRow& row : bad_rows) {
      report_bad_rows(report, ground, deployment, row);
    }
    report.tell("rows by the metrics", numbers_of_skipped(ground));
    report_forging(report, ground, deployment, scale);
  });
}

}  // namespace rollbackd::tests
