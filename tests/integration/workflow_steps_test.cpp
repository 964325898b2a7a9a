// The steps of config/github that talk to the daemon, run for real against it.

#include <cstdlib>
#include <filesystem>

#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

struct Workflow : Stage {
  explicit Workflow(const std::vector<std::pair<std::string, std::string>>& replaced)
      : Stage{"", {}, replaced} {}

  // Runs a step; gives its exit status and what it printed.
  int step(const std::string& workflow, const std::string& name,
           const std::vector<std::string>& environment, std::string& output) {
    std::vector<std::string> argv{
        "/usr/bin/env",
        "PATH=" + std::filesystem::path{ROLLBACKCTL_PROGRAM}.parent_path().string() +
            ":/usr/local/bin:/usr/bin:/bin",
        "ROLLBACKD_SERVER=http://127.0.0.1:" + std::to_string(http_port()),
        "ROLLBACKD_TOKEN=acting-token",
        "GITHUB_SHA=c0ffee1",
        "GITHUB_REF_NAME=main"};
    argv.insert(argv.end(), environment.begin(), environment.end());
    argv.insert(argv.end(),
                {"python3", "-B", ROLLBACKD_SOURCE_DIR "/tests/github_workflows/run_step.py",
                 workflow, name});
    output.clear();
    return run_program(argv, output);
  }
};

const std::vector<std::string> not_after{"NOT_AFTER=2099-01-01T00:00:00Z"};

}  // namespace

TEST_CASE("workflows: a deployment is recorded, begins to serve, and passes its gate") {
  Workflow f{{{"probation: 5m", "probation: 2s"}}};
  std::string output;
  REQUIRE(f.step("deploy.yml", "Record the deployment as pending",
                 {"DEPLOY_ENVIRONMENT=production", "DEPLOY_SERVICE=app", "DEPLOY_VERSION=v1"},
                 output) == 0);
  const std::string word = "deployment_id=";
  REQUIRE(output.starts_with(word));
  const std::string id = output.substr(word.size(), 36);
  CHECK(f.ask("select status from ops.deployments where deployment_id = '" + id + "'") ==
        "pending");
  const std::string deployment = "DEPLOYMENT=" + id;
  CHECK(f.step("deploy.yml", "Record that it begins to serve", {deployment}, output) == 0);
  CHECK(f.step("deploy.yml", "Wait out its probation", {deployment}, output) == 0);
  CHECK(output.find("it passed its probation") != std::string::npos);

  // A bad one ends its gate as soon as its rollback has begun.
  const std::string bad = f.deploy("v2");
  f.wait_until_watched(bad);
  f.log_errors(6);
  CHECK(f.step("deploy.yml", "Wait out its probation", {"DEPLOYMENT=" + bad}, output) == 3);
  CHECK(f.wait_for_end(bad) == "success");
}

TEST_CASE("workflows: a run asks whether its rollback is still wanted, and is told the truth") {
  Workflow f{{{"confirm: 1s", "confirm: 1h"}}};
  const std::string bad = f.go_bad();
  std::string event;
  eventually("the decision", 60, [&] {
    event = f.ask("select max(event_id::text) from ops.rollback_events");
    return !event.empty();
  });
  const auto ask = [&](const std::string& rollback, std::string& output) {
    return f.step("rollback.yml", "Is it still wanted?",
                  {"ROLLBACK_ID=" + rollback, not_after.front()}, output);
  };
  std::string output;
  CHECK(ask(event, output) == 0);
  CHECK(output.find("still wanted") != std::string::npos);
  CHECK(ask("00000000-0000-4000-8000-000000000000", output) == 1);
  CHECK(output.find("knows no rollback") != std::string::npos);
  const std::string newer = f.deploy("v3");
  f.wait_until_watched(newer);
  eventually("the run to be told", 60, [&] { return ask(event, output) == 1; });
  CHECK(output.find("superseded") != std::string::npos);
}
