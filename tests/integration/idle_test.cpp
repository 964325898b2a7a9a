// What the daemon costs when nothing happens.

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

double seconds_wanted() {
  const char* wanted = std::getenv("IDLE_SECONDS");  // NOLINT(concurrency-mt-unsafe)
  return wanted == nullptr ? 3 : std::atof(wanted);
}

// User and system time of a process, from fields 14 and 15 of /proc/PID/stat.
double cpu_seconds(int pid) {
  std::ifstream in{"/proc/" + std::to_string(pid) + "/stat"};
  std::string text;
  std::getline(in, text);
  std::istringstream fields{text.substr(text.rfind(')') + 2)};
  std::string skipped;
  for (int i = 3; i < 14; ++i) {
    fields >> skipped;
  }
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double resident_mib(int pid) {
  std::ifstream in{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string word; in >> word;) {
    double kib = 0;
    if (word == "VmRSS:" && in >> kib) {
      return kib / 1024;
    }
  }
  return 0;
}

}  // namespace

TEST_CASE("with nothing happening the daemon takes next to nothing") {
  Stage stage;
  stage.wait_until_watched(stage.deploy("v1"));
  const int pid = stage.daemon().pid();
  const double before = cpu_seconds(pid);
  const auto begun = std::chrono::steady_clock::now();
  double passed = 0;
  eventually("time to pass", seconds_wanted() + 10, [&] {
    passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    return passed >= seconds_wanted();
  });
  const double percent = 100 * (cpu_seconds(pid) - before) / passed;
  MESSAGE("idle for " << passed << " s: " << percent << " % of a core, " << resident_mib(pid)
                      << " MiB resident");
  CHECK(percent < 10);
  CHECK(resident_mib(pid) < 400);  // sanitizers included; the aim is 40
}
