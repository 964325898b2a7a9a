// Memory under load, and the way back after a reconnect.

#include <fstream>
#include <future>
#include <stdexcept>

#include "tests/bench/feed/comparison.hpp"
#include "tests/bench/feed/ground.hpp"
#include "tests/bench/feed/sections.hpp"
#include "tests/support/quantile.hpp"

namespace rollbackd::tests {
namespace {

constexpr int deployments = 10'000;
constexpr double memory_max_mib = 128;
constexpr double flat_max_mib = 8;  // what an allocator may keep or give back by itself
constexpr double flood_wanted = 100'000;

// Services m0 to m9999, one row each, with their deployments of two hours ago.
std::string make_services(Ground& ground) {
  rows(ground.stage().connection(),
       "insert into ops.deployments (environment, service, version, git_commit, git_branch, status,"
       " deployed_at, health_check_passed) select 'production', 'm' || n, 'v1', 'commit', 'main',"
       " 'success', now() - interval '2 hours', true from generate_series(0, " +
           std::to_string(deployments - 1) + ") n");
  return ground.stage().ask("select deployment_id from ops.deployments where service = 'm9999'");
}

std::string deployment_of(Ground& ground, const std::string& service) {
  return ground.stage().ask("select deployment_id from ops.deployments where service = '" +
                            service + "'");
}

std::string spread_over_services(int rows) {
  return "insert into ops.system_logs (severity, source, message, service)"
         " select 'error', 'bench', 'it broke, as it had before', 'm' || n % " +
         std::to_string(deployments) + " from generate_series(1, " + std::to_string(rows) + ") n";
}

void report_memory(Report& report, Ground& ground, const std::string& when) {
  report.at_most("  the daemon's greatest memory " + when, ground.memory("VmHWM"), memory_max_mib,
                 "MiB", "now " + text_of(ground.memory("VmRSS"), 0));
  ground.forget_memory_peak();
}

void report_parity_of_some(Report& report, Ground& ground, Steady::time_point since) {
  Seconds worst{0};
  for (const char* service : {"m0", "m17", "m4711", "m9999"}) {
    const Parity parity =
        ground.parity(deployment_of(ground, service), service, since, Seconds{60});
    if (!parity.after || !parity.stayed) {
      report.must("  memory equals SQL after it", false, "never",
                  std::string{service} + ": memory " + parity.memory + ", SQL " + parity.sql);
      return;
    }
    worst = service == std::string{"m0"} ? *parity.after : worst;
  }
  report.must("  memory equals SQL after it, 4 services looked at", true,
              text_of(worst.count(), 2) + " s", "the time is the first one's");
}

// The longest statement of the feed's role that the server's log tells of from there on, in ms.
double longest_statement(Ground& ground, std::streamoff from) {
  std::ifstream log{ground.stage().postgres().directory() / "server.log"};
  log.seekg(from);
  double longest = 0;
  for (std::string line; std::getline(log, line);) {
    const auto at = line.find("duration: ");
    if (at != std::string::npos && line.find(" rollbackd feed") != std::string::npos) {
      longest = std::max(longest, std::stod(line.substr(at + 10)));
    }
  }
  return longest;
}

Seconds until_right_again(Ground& ground, const std::string& deployment) {
  const auto killed = Steady::now();
  if (ground.stage().ask("select count(pg_terminate_backend(pid)) from pg_stat_activity"
                         " where application_name = 'rollbackd feed'") == "0") {
    throw std::runtime_error{"there is no session 'rollbackd feed' to end"};
  }
  // What was known before does not have these.
  ground.stage().log_errors(5, "m0");
  const Parity parity = ground.parity(deployment, "m0", killed, Seconds{60});
  if (!parity.after || !parity.stayed) {
    throw std::runtime_error{"not right again: memory " + parity.memory + ", SQL " + parity.sql};
  }
  return *parity.after;
}

void flood(Report& report, Ground& ground, const Scale& scale, Seconds flood_length) {
  ground.wait_until_known(make_services(ground));
  report.tell("the daemon's memory with no events yet",
              text_of(ground.memory("VmRSS"), 0) + " MiB");
  ground.forget_memory_peak();

  constexpr int clients = 4;
  constexpr int rows_a_commit = 10'000;
  Writers writers{ground.conninfo(), clients};
  writers.prepare("flood", spread_over_services(rows_a_commit));
  const Slice came = writers.run("flood", flood_length);
  report.tell("rows/s that came in", text_of(came.rate() * rows_a_commit, 0),
              text_of(came.length.count(), 0) + " s; asked for: " + text_of(flood_wanted, 0));
  report_memory(report, ground, "while they came");
  report_parity_of_some(report, ground, came.ended);

  rows(ground.stage().connection(), spread_over_services(scale.million));
  const auto loaded = Steady::now();
  report_parity_of_some(report, ground, loaded);
  report_memory(report, ground, "during a bulk load of " + std::to_string(scale.million));
  const double before = ground.memory("VmRSS");
  wait_for(flood_length / 2);
  report.at_most("  grown afterwards, at rest", ground.memory("VmHWM") - before, flat_max_mib,
                 "MiB", text_of(flood_length.count() / 2, 0) + " s");
}

}  // namespace

void bench_memory(Report& report, const Scale& scale) {
  report.heading("memory, 10,000 deployments known, none of which goes bad");
  on_ground(
      report, Disk::none, [&](Ground& ground) { flood(report, ground, scale, scale.flood); },
      "triggers: [{name: error_rate, signal: errors_per_minute, window: 60s, above: 1000000000,"
      " action: rollback}]\n");
  report.heading("memory, 10,000 deployments known, all of which go bad at once");
  on_ground(report, Disk::none,
            [&](Ground& ground) { flood(report, ground, scale, scale.flood / 6); });
}

void bench_reconnect(Report& report, const Scale& scale) {
  report.heading("after a reconnect, " + std::to_string(scale.million) +
                 " rows in the last five minutes");
  on_ground(report, Disk::none, [&](Ground& ground) {
    ground.wait_until_known(make_services(ground));
    rows(ground.stage().connection(),
         "insert into ops.system_logs (timestamp, severity, source, message, service)"
         " select now() - n % 200 * interval '1 s', 'error', 'bench', 'it broke, as it had before',"
         " 'm' || n % 100 from generate_series(1, " +
             std::to_string(scale.million) + ") n");
    const std::string deployment = deployment_of(ground, "m0");
    report_parity_of_some(report, ground, Steady::now());
    std::vector<double> seconds;
    std::vector<double> queries;
    for (int i = 0; i < scale.reconnects; ++i) {
      const auto log = ground.stage().postgres().directory() / "server.log";
      const auto end_of_log = static_cast<std::streamoff>(std::filesystem::file_size(log));
      seconds.push_back(until_right_again(ground, deployment).count());
      queries.push_back(longest_statement(ground, end_of_log) / 1000);
    }
    report.tell("from the lost connection to the first right answer: median",
                text_of(quantile(seconds, 0.5), 2) + " s",
                std::to_string(seconds.size()) + " times, worst " +
                    text_of(quantile(seconds, 1), 2) + " s");
    report.tell("  the longest query meanwhile: median", text_of(quantile(queries, 0.5), 2) + " s");
  });
}

}  // namespace rollbackd::tests
