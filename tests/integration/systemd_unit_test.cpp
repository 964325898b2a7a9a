#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "engine/settings.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/installed.hpp"

// config/systemd/rollbackd.service, looked at by systemd's own tools.

namespace rollbackd::tests {
namespace {

const std::filesystem::path shipped =
    std::filesystem::path{ROLLBACKD_SOURCE_DIR} / "config" / "systemd" / "rollbackd.service";
const std::string analyze = "/usr/bin/systemd-analyze";

bool can_analyze() {
  const bool can = std::filesystem::exists(analyze);
  if (!can) {
    MESSAGE("skipped: there is no systemd-analyze (package systemd)");
  }
  return can;
}

// The unit as it is shipped, with the programs and pages that an installation would have.
std::string as_installed() {
  std::istringstream lines{read_file(shipped)};
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    const std::string program = "/usr/bin/rollbackd";
    if (const auto at = line.find(program); at != std::string::npos) {
      line.replace(at, program.size(), ROLLBACKD_PROGRAM);
    }
    if (line.find("Documentation=man:") != 0) {
      text += line + '\n';
    }
  }
  return text;
}

// What follows `key=` in the unit; each key that is asked for is there once.
std::string setting(const std::string& key) {
  std::istringstream lines{read_file(shipped)};
  std::vector<std::string> found;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(key + "=", 0) == 0) {
      found.push_back(line.substr(key.size() + 1));
    }
  }
  REQUIRE(found.size() == 1);
  return found[0];
}

}  // namespace

TEST_CASE("the unit has no mistakes that systemd would find") {
  if (!can_analyze()) {
    return;
  }
  std::string folder = std::filesystem::temp_directory_path() / "rollbackd-unit-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::filesystem::path unit = std::filesystem::path{folder} / "rollbackd.service";
  std::ofstream{unit} << as_installed();
  std::string output;
  const int code = run_program({analyze, "verify", "--man=no", unit}, output);
  CHECK(code == 0);
  CHECK(output == "");
  std::ofstream{unit, std::ios::app} << "[Service]\nTyp=notify\n";
  output.clear();
  run_program({analyze, "verify", "--man=no", unit}, output);
  CHECK(output.find("Unknown key 'Typ'") != std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST_CASE("the unit's exposure is at most 1.5 of 10") {
  if (!can_analyze()) {
    return;
  }
  std::string output;
  const int code = run_program(
      {analyze, "security", "--offline=true", "--no-pager", "--threshold=15", shipped}, output);
  CHECK_MESSAGE(code == 0, output);
  CHECK(output.find("Overall exposure level for rollbackd.service: 1.") != std::string::npos);
}

TEST_CASE("the unit fits the daemon: how it stops, what it gives up at, what it says") {
  const std::string patience = setting("TimeoutStopSec");
  REQUIRE(patience.find("min") == patience.size() - 3);
  CHECK(rules::minutes{std::stoi(patience)} > engine::CommandExecution{}.timeout);
  CHECK(setting("Type") == "notify");
  CHECK(setting("RestartPreventExitStatus") == "2 78");
  CHECK(setting("KillMode") == "process");
  CHECK(setting("ExecReload") == "/bin/kill -HUP $MAINPID");
  CHECK(setting("User") == "rollbackd");
}

}  // namespace rollbackd::tests
