// ./dev bench feed: the figures that the feed promises, each beside its baseline.

#include <exception>
#include <iostream>
#include <string_view>

#include "tests/bench/feed/sections.hpp"

namespace {

using rollbackd::tests::Report;
using rollbackd::tests::Scale;
using rollbackd::tests::Seconds;

struct Section {
  std::string_view name;
  std::string_view about;
  void (*run)(Report&, const Scale&);
};

constexpr Section sections[] = {
    {"storm", "64 writers, a disk of 1 ms; detection in the storm", rollbackd::tests::bench_storm},
    {"plain", "16 writers, single rows; detection at rest", rollbackd::tests::bench_plain},
    {"bulk", "1,000 rows a commit", rollbackd::tests::bench_bulk},
    {"memory", "10,000 deployments, 100,000 rows a second", rollbackd::tests::bench_memory},
    {"reconnect", "a million rows in the windows", rollbackd::tests::bench_reconnect},
    {"bad_input", "bad rows, forged notifications", rollbackd::tests::bench_bad_input},
};

constexpr Scale full{.rounds = 24,
                     .slice = Seconds{0.2},
                     .blocks = 3,
                     .block = Seconds{10},
                     .services = 100,
                     .flood = Seconds{60},
                     .forging = Seconds{10},
                     .reconnects = 3,
                     .million = 1'000'000,
                     .with_latency_test = true};
// Sections by name, fast: to try something out, not to believe it.
constexpr Scale brief{.rounds = 8,
                      .slice = Seconds{0.2},
                      .blocks = 0,
                      .block = Seconds{2},
                      .services = 20,
                      .flood = Seconds{10},
                      .forging = Seconds{4},
                      .reconnects = 1,
                      .million = 1'000'000,
                      .with_latency_test = false};

struct Wish {
  bool quick = false;
  bool strict = false;
  std::string_view only;
};

constexpr int wrong_usage = 2;

int usage() {
  std::cout << "usage: ./dev bench feed [--only NAME] [--quick] [--strict]\n\n"
               "  --only NAME   one part: ";
  for (const Section& section : sections) {
    std::cout << "\n                  " << section.name << ": " << section.about;
  }
  std::cout << "\n  --quick       only that the counts are right after short storms; with --only,\n"
               "                that part in short, whose figures are worth little\n"
               "  --strict      exit 1 where an aim is missed\n\n"
               "All of it takes about a quarter of an hour; nothing else should run meanwhile.\n";
  return wrong_usage;
}

int run(const Wish& wish) {
  Report report;
  if (wish.quick && wish.only.empty()) {
    rollbackd::tests::check_counts(report, brief);
    return report.close();
  }
  bool known = wish.only.empty();
  for (const Section& section : sections) {
    if (wish.only.empty() || wish.only == section.name) {
      known = true;
      section.run(report, wish.quick ? brief : full);
    }
  }
  return known ? report.close() : usage();
}

}  // namespace

int main(int argc, char** argv) {
  Wish wish;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word{argv[i]};
    if (word == "--quick") {
      wish.quick = true;
    } else if (word == "--strict") {
      wish.strict = true;
    } else if (word == "--only" && i + 1 < argc) {
      wish.only = argv[++i];
    } else {
      const int status = usage();
      return word == "--help" ? 0 : status;
    }
  }
  try {
    const int missed = run(wish);
    return wish.strict && missed > 0 ? 1 : 0;
  } catch (const std::exception& e) {
    std::cerr << "feed_bench: " << e.what() << '\n';
    return 1;
  }
}
