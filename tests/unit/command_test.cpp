#include "engine/actions/command.hpp"

#include <array>
#include <fcntl.h>
#include <fstream>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/command_stage.hpp"

namespace rollbackd::engine {
namespace {

using rules::DeployEnded;
using rules::DeployOutcome;
using rules::DeployStarted;
using tests::a_deploy;
using tests::CommandStage;
using tests::contents;
using tests::event_id;
using tests::process_of;
using tests::run_until;
using tests::running;

TEST_CASE("command: exit 0 is a success, told after the start") {
  CommandStage stage;
  const auto end = stage.run(running({stage.script("echo deployed")}));
  CHECK(end.outcome == DeployOutcome::succeeded);
  CHECK(end.event == event_id);
  CHECK(end.detail == "exit status 0: deployed");
  const auto inputs = stage.inbox.inputs();
  REQUIRE(inputs.size() == 2);
  CHECK(std::holds_alternative<DeployStarted>(inputs[0]));
  CHECK(std::holds_alternative<DeployEnded>(inputs[1]));
}

TEST_CASE("command: another exit status is a failure with the last lines of output") {
  CommandStage stage;
  const auto end = stage.run(running({stage.script(
      "for i in 1 2 3 4 5 6 7; do echo line $i; done; echo 'no space' >&2; exit 3")}));
  CHECK(end.outcome == DeployOutcome::failed);
  CHECK(end.detail == "exit status 3: line 4\nline 5\nline 6\nline 7\nno space");
}

TEST_CASE("command: a silent command needs no output to fail") {
  CommandStage stage;
  CHECK(stage.run(running({stage.script("exit 7")})).detail == "exit status 7");
}

TEST_CASE("command: death by a signal is a failure that names it") {
  CommandStage stage;
  const auto end = stage.run(running({stage.script("kill -9 $$")}));
  CHECK(end.outcome == DeployOutcome::failed);
  CHECK(end.detail == "killed by signal 9");
}

TEST_CASE("command: what would start too late is refused, to be asked for again") {
  CommandStage stage;
  const auto file = stage.folder / "started";
  Command command{stage.reactor, stage.inbox, stage.log,
                  running({stage.script("touch \"$1\""), file.string()})};
  command.deploy(a_deploy(), steady_now() - std::chrono::milliseconds{1});
  const auto ends = stage.inbox.all<rules::DeployEnded>();
  REQUIRE(ends.size() == 1);
  CHECK(ends.front().outcome == DeployOutcome::refused);
  CHECK(ends.front().retry_after > rules::Duration{0});
  CHECK(command.running().empty());
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("command: placeholders are filled in and nothing is read by a shell") {
  CommandStage stage;
  const auto file = (stage.folder / "arguments").string();
  const auto script =
      stage.script("out=$1; shift; for a; do printf '<%s>\\n' \"$a\"; done > \"$out\"");
  auto deploy = a_deploy();
  deploy.version = "v1 $(touch pwned) `id` \"q\" 'q' ; {git_commit} * \\";
  const auto end =
      stage.run(running({script, file, "{environment}/{service}", "{version}", "--sha={git_commit}",
                         "{event_id} {deployment_id}", "{unknown} {", "a b", ""}),
                deploy);
  CHECK(end.outcome == DeployOutcome::succeeded);
  CHECK(contents(file) ==
        "<production/api>\n"
        "<v1 $(touch pwned) `id` \"q\" 'q' ; {git_commit} * \\>\n"
        "<--sha=a7f3b29>\n"
        "<11111111-1111-1111-1111-111111111111 22222222-2222-2222-2222-222222222222>\n"
        "<{unknown} {>\n"
        "<a b>\n"
        "<>\n");
}

TEST_CASE("command: of 10 MB of output the end is kept, as text") {
  CommandStage stage;
  const auto end = stage.run(running(
      {stage.script("yes 0123456789012345678901234567890123456789 | head -c 10000000; "
                    "printf '\\033[31mred\\033[0m \\377\\000 \\303\\244 end\\r\\n'; exit 1")}));
  CHECK(end.outcome == DeployOutcome::failed);
  CHECK(end.detail.size() < 2001);
  CHECK(end.detail.ends_with("red \xEF\xBF\xBD \xC3\xA4 end"));
  CHECK(end.detail.find('\0') == std::string::npos);
}

TEST_CASE("command: one endless line is cut to what a record takes") {
  CommandStage stage;
  const auto end = stage.run(running({stage.script(
      "i=0; while [ $i -lt 3000 ]; do printf '\\303\\244'; i=$((i+1)); done; exit 1")}));
  CHECK(end.detail.starts_with("exit status 1: …"));
  CHECK(end.detail.size() <= 2000);
  CHECK(end.detail.ends_with("\xC3\xA4"));
}

TEST_CASE("command: a program that is not there is not started, with the remedy") {
  CommandStage stage;
  const auto end = stage.run(running({(stage.folder / "nowhere").string()}));
  CHECK(end.outcome == DeployOutcome::not_started);
  CHECK(end.detail.find("No such file or directory") != std::string::npos);
  CHECK(end.detail.find("must exist and be executable") != std::string::npos);
  CHECK(stage.inbox.all<DeployStarted>().empty());
}

TEST_CASE("command: a program that is not executable, or no program, is not started") {
  CommandStage stage;
  CHECK(stage.run(running({stage.script("exit 0", 0600)})).outcome == DeployOutcome::not_started);
  CommandStage other;
  const auto file = other.folder / "text";
  std::ofstream{file} << "echo no shebang\n";
  REQUIRE(chmod(file.c_str(), 0700) == 0);
  CHECK(other.run(running({file.string()})).outcome == DeployOutcome::not_started);
}

TEST_CASE("command: nothing configured is not started") {
  CommandStage stage;
  const auto end = stage.run(running({}));
  CHECK(end.outcome == DeployOutcome::not_started);
  CHECK(end.detail == "no command is configured; set rollback.command.argv");
}

TEST_CASE("command: values that could be options or steer anything are not started") {
  for (const std::string value : {"-rf", "a\nb", "", "a\x7F"}) {
    CommandStage stage;
    auto deploy = a_deploy();
    deploy.git_commit = value;
    const auto end = stage.run(running({"/bin/true"}), deploy);
    CHECK(end.outcome == DeployOutcome::not_started);
    CHECK(end.detail.find("git_commit") != std::string::npos);
  }
}

TEST_CASE("command: arguments too long for the system are not started") {
  CommandStage stage;
  auto deploy = a_deploy();
  deploy.version.assign(4U << 20U, 'v');
  const auto end = stage.run(running({"/bin/true", "{version}"}), deploy);
  CHECK(end.outcome == DeployOutcome::not_started);
  CHECK(end.detail.size() < 2000);
}

TEST_CASE("command: a program without a slash is looked up in PATH") {
  CommandStage stage;
  CHECK(stage.run(running({"true"})).outcome == DeployOutcome::succeeded);
}

TEST_CASE("command: it says what runs, runs nothing twice, and cannot find what another started") {
  CommandStage stage;
  const auto fifo = (stage.folder / "fifo").string();
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  Command command{stage.reactor, stage.inbox, stage.log,
                  running({stage.script("read line < " + fifo)})};
  command.deploy(a_deploy());
  CHECK(command.running() == std::vector{event_id});
  command.deploy(a_deploy());  // asked twice: not run twice, and not answered
  CHECK(command.lost_with_us() == 1);
  rules::FollowDeploy other;
  other.event = *rules::EventId::parse("44444444-4444-4444-4444-444444444444");
  command.follow(other);
  REQUIRE(stage.inbox.all<DeployEnded>().size() == 1);
  CHECK(stage.inbox.all<DeployEnded>()[0].event == other.event);
  CHECK(stage.inbox.all<DeployEnded>()[0].outcome == DeployOutcome::unknown);
  std::ofstream{fifo} << "go\n";
  REQUIRE(run_until(stage.reactor, [&] { return stage.inbox.all<DeployEnded>().size() == 2; }));
  CHECK(stage.inbox.all<DeployEnded>()[1].outcome == DeployOutcome::succeeded);
  CHECK(command.running().empty());
}

TEST_CASE("command: no more children than the limit") {
  CommandStage stage;
  Command command{stage.reactor, stage.inbox, stage.log, running({"/bin/sleep", "1000"})};
  auto deploy = a_deploy();
  for (std::size_t i = 0; i <= Command::children_max; ++i) {
    std::array<std::uint8_t, 16> bytes{};
    bytes[0] = static_cast<std::uint8_t>(i);
    deploy.event = rules::EventId{bytes};
    command.deploy(deploy);
  }
  CHECK(command.lost_with_us() == Command::children_max);
  REQUIRE(stage.inbox.all<DeployEnded>().size() == 1);
  CHECK(stage.inbox.all<DeployEnded>()[0].outcome == DeployOutcome::not_started);
  for (const auto& started : stage.inbox.all<DeployStarted>()) {
    kill(process_of(started), SIGKILL);
  }
  CHECK(run_until(stage.reactor, [&] { return command.lost_with_us() == 0; }));
}

}  // namespace
}  // namespace rollbackd::engine
