#pragma once

#include "tests/bench/feed/report.hpp"
#include "tests/bench/feed/writers.hpp"

namespace rollbackd::tests {

// How long everything goes on.
struct Scale {
  int rounds;  // of alternating slices
  Seconds slice;
  int blocks;  // of a storm that goes on without a pause; 0: none
  Seconds block;
  int services;     // that go bad, for the time of detection
  Seconds flood;    // of rows for 10,000 deployments
  Seconds forging;  // of NOTIFYs by strangers
  int reconnects;
  int million;  // rows of the bulk load, and in the windows at the reconnect
  bool with_latency_test;
};

// The parts of `./dev bench feed`. Each starts a server and a daemon of its own and ends them.

// 64 writers on a disk whose flush takes 1 ms: what the daemon, and what a trigger that notifies
// each time, leave of their speed; detection meanwhile.
void bench_storm(Report& report, const Scale& scale);
// 16 writers on the machine's own disk: single rows that count, and that do not.
void bench_plain(Report& report, const Scale& scale);
// The same, a thousand rows with each commit.
void bench_bulk(Report& report, const Scale& scale);
void bench_memory(Report& report, const Scale& scale);
void bench_reconnect(Report& report, const Scale& scale);
void bench_bad_input(Report& report, const Scale& scale);
// That memory and SQL agree after short storms, and nothing about speed: for ctest.
void check_counts(Report& report, const Scale& scale);

}  // namespace rollbackd::tests
