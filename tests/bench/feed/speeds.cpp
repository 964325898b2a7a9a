// What the daemon leaves of the writers' speed.

#include <future>

#include "tests/bench/feed/comparison.hpp"
#include "tests/bench/feed/detection.hpp"
#include "tests/bench/feed/ground.hpp"
#include "tests/bench/feed/sections.hpp"
#include "tests/support/quantile.hpp"

namespace rollbackd::tests {
namespace {

const std::string untouched = "untouched";
const std::string disabled = "disabled";
const std::string watched = "watched";
const std::string naive = "naive";

constexpr double parity_max_ms = 250;
constexpr double detection_in_storm_max_ms = 100;
constexpr double median_at_rest_max_ms = 2;

// The least that may be left of the speed; 0: as it comes.
struct Aims {
  double of_disabled = 0;
  double of_untouched = 0;
};

std::string pairs_text(const Spread& spread, const std::string& length) {
  return std::to_string(spread.count) + " pairs of " + length + ", half of them " +
         text_of(spread.low, 3) + " to " + text_of(spread.high, 3);
}

void report_ratio(Report& report, const std::string& what, const Spread& ratio, double aim,
                  const std::string& length) {
  if (aim > 0) {
    report.at_least(what, ratio.median, aim, pairs_text(ratio, length));
  } else {
    report.tell(what, text_of(ratio.median, 3), pairs_text(ratio, length));
  }
}

void prepare(Writers& writers, const std::string& severity, int rows_a_commit) {
  for (const std::string& variant : {untouched, disabled, watched, naive}) {
    writers.prepare(variant + severity,
                    insert_into(variant == watched ? "ops.system_logs" : "bench." + variant,
                                severity, rows_a_commit));
  }
}

void report_parity(Report& report, const Parity& parity) {
  const std::string counts = "memory " + parity.memory + ", SQL " + parity.sql;
  if (!parity.after) {
    report.must("  memory equals SQL after it", false, "never", counts);
    return;
  }
  report.at_most("  memory equals SQL after the last commit", parity.after->count() * 1000,
                 parity_max_ms, "ms", parity.stayed ? counts : "AND NOT ANY MORE LATER: " + counts);
}

// One kind of row, all variants: short slices, then long blocks, and the counts after each.
void compare(Report& report, Ground& ground, const std::string& deployment, Writers& writers,
             const std::string& what, const std::string& severity, const Aims& aims,
             const Scale& scale, bool with_naive, bool with_blocks) {
  std::vector<std::string> statements{untouched + severity, disabled + severity,
                                      watched + severity};
  if (with_naive) {
    statements.push_back(naive + severity);
  }
  const auto go = [&](int rounds, Seconds length, const std::string& kind) {
    const std::string length_text = text_of(length.count(), 1) + " s";
    Comparison comparison;
    const double bells = ground.metric("rollbackd_feed_bells_total");
    const double polls = ground.metric("rollbackd_feed_polls_total");
    const Slice last =
        comparison.alternate(writers, statements, rounds, length, watched + severity);
    const double rung = ground.metric("rollbackd_feed_bells_total") - bells;
    const double polled = ground.metric("rollbackd_feed_polls_total") - polls;
    const Parity parity = ground.parity(deployment, "storm", last.ended);
    report.tell(what + kind + ": commits/s untouched, disabled, daemon",
                text_of(comparison.rate(untouched + severity).median, 0) + ", " +
                    text_of(comparison.rate(disabled + severity).median, 0) + ", " +
                    text_of(comparison.rate(watched + severity).median, 0),
                "bells heard " + text_of(rung, 0) + ", polls " + text_of(polled, 0));
    report_ratio(report, "  daemon / disabled",
                 comparison.ratio(watched + severity, disabled + severity), aims.of_disabled,
                 length_text);
    report_ratio(report, "  daemon / untouched",
                 comparison.ratio(watched + severity, untouched + severity), aims.of_untouched,
                 length_text);
    if (with_naive) {
      report_ratio(report, "  NOTIFY per row / disabled",
                   comparison.ratio(naive + severity, disabled + severity), 0, length_text);
    }
    if (severity != "info") {
      report_parity(report, parity);
    }
  };
  go(scale.rounds, scale.slice, "");
  if (with_blocks && scale.blocks > 0) {
    statements = {untouched + severity, disabled + severity, watched + severity};
    with_naive = false;
    go(scale.blocks, scale.block, ", long");
  }
}

void report_detection(Report& report, const std::string& what, const std::vector<double>& taken,
                      int wanted, double part, double aim) {
  const std::string runs = std::to_string(taken.size()) + " services, median " +
                           text_of(quantile(taken, 0.5), 2) + ", 90th " +
                           text_of(quantile(taken, 0.9), 2) + ", worst " +
                           text_of(quantile(taken, 1), 2) + " ms";
  report.at_most(what, quantile(taken, part), aim, "ms",
                 static_cast<int>(taken.size()) == wanted ? runs : runs + ", GIVEN UP");
}

// The disk is as slow as it should be, and commits still share its flushes: neither is far from
// what it is on a machine with nothing else to do, or the figures that follow are worth little.
void report_disk(Report& report, Ground& ground, Writers& writers) {
  constexpr double flushes_a_second = 1000;
  constexpr double sharing_min = 4;
  Writers one{ground.conninfo(), 1};
  prepare(one, "error", 1);
  const double alone = one.run(disabled + "error", Seconds{1}).rate();
  const double together = writers.run(disabled + "error", Seconds{1}).rate();
  report.must("the simulated disk takes its 1 ms a flush, and commits share one",
              alone < flushes_a_second && together > sharing_min * alone,
              text_of(1000 / alone, 2) + " ms",
              "commits/s of 1 writer " + text_of(alone, 0) + ", of all " + text_of(together, 0) +
                  ", trigger disabled");
}

// From the integration tests, because there the bare program stands beside it.
void report_latency_test(Report& report) {
  std::string output;
  const int status = run_program({"/usr/bin/env", "LATENCY_SERVICES=60", INTEGRATION_TESTS_PROGRAM,
                                  "--source-file=*latency_test*"},
                                 output);
  const auto at = output.find("sixth error to decision");
  report.tell("at rest, beside a bare libpq program", status == 0 ? "passed" : "FAILED",
              at == std::string::npos ? output.substr(0, 200)
                                      : output.substr(at, output.find('\n', at) - at));
}

}  // namespace

void bench_storm(Report& report, const Scale& scale) {
  constexpr int clients = 64;
  report.heading("64 writers, one error a commit, a disk of 1 ms per flush");
  on_ground(report, Disk::slow, [&](Ground& ground) {
    ground.make_twins();
    const std::string deployment = ground.add_service("storm");
    Writers writers{ground.conninfo(), clients};
    writers.listen_on_first("naive");
    prepare(writers, "error", 1);
    report_disk(report, ground, writers);

    Detection at_rest{ground, "rest", scale.services};
    const auto rest = at_rest.run();
    report_detection(report, "detection at rest, 1 ms disk: median", rest, at_rest.wanted(), 0.5,
                     detection_in_storm_max_ms);

    compare(report, ground, deployment, writers, "error", "error", {0.95, 0.80}, scale, true, true);

    Detection detection{ground, "storm", scale.services};
    auto storm = std::async(std::launch::async,
                            [&] { return writers.run(watched + "error", Seconds{600}); });
    wait_for(Seconds{1});
    const auto taken = detection.run();
    writers.stop();
    const Slice slice = storm.get();
    report_detection(report, "detection in the storm: 99th percentile", taken, detection.wanted(),
                     0.99, detection_in_storm_max_ms);
    report.tell("  commits/s of the storm meanwhile", text_of(slice.rate(), 0),
                text_of(slice.length.count(), 0) + " s");
    report_parity(report, ground.parity(deployment, "storm", slice.ended));
  });
}

void bench_plain(Report& report, const Scale& scale) {
  constexpr int clients = 16;
  report.heading("16 writers, one row a commit, the machine's own disk");
  on_ground(report, Disk::plain, [&](Ground& ground) {
    ground.make_twins();
    const std::string deployment = ground.add_service("storm");
    Writers writers{ground.conninfo(), clients};
    prepare(writers, "error", 1);
    prepare(writers, "info", 1);
    if (scale.with_latency_test) {
      report_latency_test(report);
    }
    Detection at_rest{ground, "rest", scale.services};
    report_detection(report, "detection at rest: median", at_rest.run(), at_rest.wanted(), 0.5,
                     median_at_rest_max_ms);
    compare(report, ground, deployment, writers, "error", "error", {0.85, 0.80}, scale, false,
            true);
    compare(report, ground, deployment, writers, "info", "info", {0.92, 0.88}, scale, false, false);
  });
}

void bench_bulk(Report& report, const Scale& scale) {
  constexpr int clients = 4;
  constexpr int rows_a_commit = 1000;
  report.heading("4 writers, 1,000 rows a commit, the machine's own disk");
  on_ground(report, Disk::plain, [&](Ground& ground) {
    ground.make_twins();
    const std::string deployment = ground.add_service("storm");
    Writers writers{ground.conninfo(), clients};
    prepare(writers, "error", rows_a_commit);
    prepare(writers, "info", rows_a_commit);
    compare(report, ground, deployment, writers, "bulk of errors", "error", {0.90, 0}, scale, false,
            true);
    compare(report, ground, deployment, writers, "bulk of info rows", "info", {0.92, 0.95}, scale,
            false, false);
  });
}

void check_counts(Report& report, const Scale& scale) {
  report.heading("counts after short storms");
  on_ground(report, Disk::none, [&](Ground& ground) {
    const std::string deployment = ground.add_service("storm");
    Writers writers{ground.conninfo(), 16};
    writers.prepare("single", insert_into("ops.system_logs", "error", 1));
    writers.prepare("bulk", insert_into("ops.system_logs", "error", 1000));
    for (const char* kind : {"single", "bulk"}) {
      const Slice slice = writers.run(kind, scale.block);
      const Parity parity = ground.parity(deployment, "storm", slice.ended);
      report.must(
          std::string{"memory equals SQL after a storm, "} + kind, parity.after && parity.stayed,
          parity.after ? text_of(parity.after->count(), 3) + " s" : "never",
          text_of(slice.commits, 0) + " commits; memory " + parity.memory + ", SQL " + parity.sql);
    }
    const std::string disagreement = ground.stage().disagreement(deployment);
    report.must("memory equals ops.get_deployment_health()", disagreement.empty(),
                disagreement.empty() ? "equal" : "differs", disagreement);
  });
}

}  // namespace rollbackd::tests
