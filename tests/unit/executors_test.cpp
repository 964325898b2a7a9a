#include "engine/actions/executors.hpp"

#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/command_stage.hpp"

namespace rollbackd::engine {
namespace {

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using rules::DeployEnded;
using rules::DeployOutcome;
using Verdict = GateAnswer::Verdict;

struct RecordingExecutor final : Executor {
  std::string called = "command";
  std::vector<rules::EventId> deployed;
  std::vector<rules::EventId> followed;
  std::vector<SteadyTime> leave_by;

  [[nodiscard]] std::string_view name() const override { return called; }
  void deploy(const rules::Deploy& deploy, SteadyTime by) override {
    deployed.push_back(deploy.event);
    leave_by.push_back(by);
  }
  void follow(const rules::FollowDeploy& wanted) override { followed.push_back(wanted.event); }
  void cancel(const rules::CancelDeploy& /*wanted*/) override {}
  [[nodiscard]] std::vector<rules::EventId> running() const override { return deployed; }
  [[nodiscard]] std::size_t lost_with_us() const override { return deployed.size(); }
};

struct HandGate final : Gate {
  std::vector<std::function<void(const GateAnswer&)>> asked;
  void ask(std::function<void(const GateAnswer&)> on_answer) override {
    asked.push_back(std::move(on_answer));
  }
};

struct ExecutorsStage {
  CommandStage around;
  RecordingExecutor executor;
  HandGate gate;
  Executors executors{{&executor}, gate, around.inbox, around.log};

  std::vector<DeployEnded> ends() { return around.inbox.all<DeployEnded>(); }
};

TEST_CASE(
    "executors: nothing is dispatched before the gate has answered, and it counts as running") {
  ExecutorsStage stage;
  stage.executors.deploy(a_deploy());
  stage.executors.deploy(a_deploy());  // asked twice: once is enough
  CHECK(stage.gate.asked.size() == 1);
  CHECK(stage.executor.deployed.empty());
  CHECK(stage.executors.running() == std::vector{event_id});
  CHECK(stage.executors.lost_with_us() == 1);
  const SteadyTime until = steady_now();
  stage.gate.asked[0]({Verdict::open, "", until});
  CHECK(stage.executor.deployed == std::vector{event_id});
  CHECK(stage.executor.leave_by == std::vector{until});
  CHECK(stage.executors.running() == std::vector{event_id});
}

TEST_CASE("executors: what the gate finds is answered by what is certain") {
  for (const bool through : {false, true}) {
    ExecutorsStage stage;
    rules::Deploy deploy = a_deploy();
    deploy.through_pause = through;
    stage.executors.deploy(deploy);
    stage.gate.asked[0]({Verdict::paused, "paused by alice"});
    CHECK(stage.executor.deployed.size() == (through ? 1 : 0));
    if (!through) {
      REQUIRE(stage.ends().size() == 1);
      CHECK(stage.ends()[0].outcome == DeployOutcome::not_started);
      CHECK(stage.ends()[0].forbade == rules::Reason::paused);
      CHECK(stage.ends()[0].detail == "paused by alice");
    }
  }
  ExecutorsStage blind;
  blind.executors.deploy(a_deploy());
  blind.gate.asked[0]({Verdict::unreadable, "timeout"});
  REQUIRE(blind.ends().size() == 1);
  CHECK(blind.ends()[0].outcome == DeployOutcome::refused);
  CHECK(blind.ends()[0].retry_after > rules::Duration{0});

  ExecutorsStage deposed;
  deposed.executors.deploy(a_deploy());
  deposed.gate.asked[0]({Verdict::not_leading, "epoch 8"});
  REQUIRE(deposed.ends().size() == 1);  // it may lead again by now, and wait for this
  CHECK(deposed.ends()[0].outcome == DeployOutcome::refused);
  CHECK(deposed.executor.deployed.empty());
  CHECK(deposed.executors.running().empty());
}

TEST_CASE("executors: a stopping daemon starts nothing new, and says that it may be asked again") {
  ExecutorsStage stage;
  stage.executors.deploy(a_deploy());
  stage.executors.stop_starting();
  stage.gate.asked[0]({Verdict::open, ""});
  CHECK(stage.executor.deployed.empty());
  REQUIRE(stage.ends().size() == 1);
  CHECK(stage.ends()[0].outcome == DeployOutcome::refused);
}

TEST_CASE("executors: a rollback that names an unknown executor is told so") {
  ExecutorsStage stage;
  stage.executor.called = "github";
  stage.executors.deploy(a_deploy());
  REQUIRE(stage.ends().size() == 1);
  CHECK(stage.ends()[0].outcome == DeployOutcome::not_started);
  CHECK(stage.gate.asked.empty());
  rules::FollowDeploy wanted;
  wanted.executor = "command";
  stage.executors.follow(wanted);
  REQUIRE(stage.ends().size() == 2);
  CHECK(stage.ends()[1].outcome == DeployOutcome::unknown);
  wanted.executor = "github";
  stage.executors.follow(wanted);
  CHECK(stage.executor.followed.size() == 1);
}

}  // namespace
}  // namespace rollbackd::engine
