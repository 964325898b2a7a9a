// What the daemon costs when nothing happens.

#include <chrono>
#include <cstdlib>

#include <doctest/doctest.h>

#include "tests/support/process_use.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

double seconds_wanted() {
  const char* wanted = std::getenv("IDLE_SECONDS");  // NOLINT(concurrency-mt-unsafe)
  return wanted == nullptr ? 3 : std::atof(wanted);
}

}  // namespace

TEST_CASE("with nothing happening the daemon takes next to nothing") {
  Stage stage;
  stage.wait_until_watched(stage.deploy("v1"));
  const int pid = stage.daemon().pid();
  const auto percent_now = [&](double& passed) {
    const double before = processor_seconds(pid);
    const auto begun = std::chrono::steady_clock::now();
    eventually("time to pass", seconds_wanted() + 30, [&] {
      passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
      return passed >= seconds_wanted();
    });
    return 100 * (processor_seconds(pid) - before) / passed;
  };
  double passed = 0;
  double percent = percent_now(passed);
  // What was begun at the start may go on for a while on a busy machine.
  for (int i = 0; i < 2 && percent >= 10; ++i) {
    percent = percent_now(passed);
  }
  MESSAGE("idle for " << passed << " s: " << percent << " % of a core, " << memory_mib(pid, "VmRSS")
                      << " MiB resident");
  CHECK(percent < 10);
  CHECK(memory_mib(pid, "VmRSS") < 400);  // sanitizers included; the aim is 40
}
