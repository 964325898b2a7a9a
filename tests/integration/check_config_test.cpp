// `rollbackd check-config`: what counts, or every mistake with its place.

#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/daemon.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

namespace {

struct Checked {
  Checked() { std::filesystem::create_directory(folder); }
  ~Checked() { std::filesystem::remove_all(folder); }
  Checked(const Checked&) = delete;
  Checked& operator=(const Checked&) = delete;

  int check(const std::string& yaml, const std::vector<std::string>& more = {}) {
    std::ofstream{folder / "x.yaml"} << yaml;
    std::vector<std::string> command{ROLLBACKD_PROGRAM, "check-config", "--config",
                                     (folder / "x.yaml").string()};
    command.insert(command.end(), more.begin(), more.end());
    said.clear();
    return run_program(command, said);
  }
  [[nodiscard]] bool says(const std::string& part) const {
    return said.find(part) != std::string::npos;
  }

  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("check-config-" + std::to_string(::getpid()));
  std::string said;
};

}  // namespace

TEST_CASE("check_config: prints what counts, with the defaults and without a secret") {
  Checked f;
  CHECK(f.check("database: {conninfo: \"host=db password=sesame dbname=app\"}\n"
                "environments: {staging: {mode: shadow}}\n") == 0);
  CAPTURE(f.said);
  CHECK(f.says("no mistakes found"));
  CHECK(f.says("conninfo: \"dbname=app host=db\""));
  CHECK(f.says("mode: auto\n"));
  CHECK(f.says("  cooldown: 3m\n"));
  CHECK(f.says("  \"staging\":\n    mode: shadow\n"));
  CHECK_FALSE(f.says("sesame"));
}

TEST_CASE("check_config: every mistake has its line and column, also for programs") {
  Checked f;
  const std::string yaml = "mode: sometimes\nrollback:\n  cooldown: 3\n";
  CHECK(f.check(yaml) == 78);
  CAPTURE(f.said);
  CHECK(f.says("x.yaml:1:7: mode is \"sometimes\""));
  CHECK(f.says("x.yaml:3:13: rollback.cooldown is 3 without a unit"));
  CHECK(f.check(yaml, {"--json"}) == 78);
  const json told = json::parse(f.said);
  CHECK(told["ok"] == false);
  CHECK(told["problems"].size() == 2);
  CHECK(told["problems"][1]["line"] == 3);
}
