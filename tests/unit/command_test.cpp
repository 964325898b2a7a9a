#include "engine/actions/command.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <set>
#include <signal.h>
#include <sstream>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/recorders.hpp"

namespace rollbackd::engine {
namespace {

using rules::DeployEnded;
using rules::DeployOutcome;
using rules::DeployStarted;
using tests::run_until;

const auto event_id = *rules::EventId::parse("11111111-1111-1111-1111-111111111111");
const auto replacement_id = *rules::DeploymentId::parse("22222222-2222-2222-2222-222222222222");
const auto bad_id = *rules::DeploymentId::parse("33333333-3333-3333-3333-333333333333");

rules::Deploy a_deploy() {
  return {event_id, {"production", "api"}, replacement_id, bad_id, "v2.5.2", "a7f3b29", "errors"};
}

std::string contents(const std::filesystem::path& file) {
  std::ifstream in{file};
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

// A folder of its own, scripts in it, and what a command told.
struct Stage {
  Stage() {
    std::string name = (std::filesystem::temp_directory_path() / "command_test.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder = name;
  }
  ~Stage() { std::filesystem::remove_all(folder); }

  std::string script(const std::string& body, mode_t mode = 0700) const {
    const auto file = folder / "script with 'quotes\"";
    std::ofstream{file} << "#!/bin/sh\n" << body << '\n';
    REQUIRE(chmod(file.c_str(), mode) == 0);
    return file.string();
  }

  // Runs one deploy to its end.
  DeployEnded run(const CommandSettings& settings, const rules::Deploy& deploy = a_deploy()) {
    Command command{reactor, inbox, log, settings};
    command.deploy(deploy);
    REQUIRE(run_until(reactor, [&] { return !inbox.all<DeployEnded>().empty(); }));
    CHECK(command.running_count() == 0);
    REQUIRE(inbox.all<DeployEnded>().size() == 1);
    return inbox.all<DeployEnded>().front();
  }

  std::filesystem::path folder;
  asio::io_context reactor;
  tests::RecordingInbox inbox;
  tests::RecordingLog log;
};

CommandSettings running(std::vector<std::string> argv) {
  CommandSettings settings;
  settings.argv = std::move(argv);
  settings.timeout = rules::seconds{30};
  return settings;
}

// A zombie that nobody has collected yet is not alive.
bool is_alive(pid_t pid) {
  const std::string state = contents("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = state.rfind(')');
  return name_end != std::string::npos && state.substr(name_end + 2, 1) != "Z";
}

bool ends_soon(pid_t pid) {
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0U));
  if (fd < 0) {
    return errno == ESRCH;
  }
  pollfd ended{fd, POLLIN, 0};
  const int ready = poll(&ended, 1, 20'000);
  close(fd);
  return ready == 1;
}

pid_t process_of(const DeployStarted& started) {
  return std::stoi(started.detail.substr(started.detail.rfind(' ')));
}

std::size_t zombies() {
  std::size_t count = 0;
  for (const auto& thread : std::filesystem::directory_iterator{"/proc/self/task"}) {
    std::istringstream children{contents(thread.path() / "children")};
    for (pid_t child = 0; children >> child;) {
      count += is_alive(child) ? 0U : 1U;
    }
  }
  return count;
}

TEST_CASE("command: exit 0 is a success, told after the start") {
  Stage stage;
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
  Stage stage;
  const auto end = stage.run(running({stage.script(
      "for i in 1 2 3 4 5 6 7; do echo line $i; done; echo 'no space' >&2; exit 3")}));
  CHECK(end.outcome == DeployOutcome::failed);
  CHECK(end.detail == "exit status 3: line 4\nline 5\nline 6\nline 7\nno space");
}

TEST_CASE("command: a silent command needs no output to fail") {
  Stage stage;
  CHECK(stage.run(running({stage.script("exit 7")})).detail == "exit status 7");
}

TEST_CASE("command: death by a signal is a failure that names it") {
  Stage stage;
  const auto end = stage.run(running({stage.script("kill -9 $$")}));
  CHECK(end.outcome == DeployOutcome::failed);
  CHECK(end.detail == "killed by signal 9");
}

TEST_CASE("command: placeholders are filled in and nothing is read by a shell") {
  Stage stage;
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

TEST_CASE("command: the environment holds what is meant for it and no secret of the daemon") {
  Stage stage;
  setenv("PGPASSWORD", "hunter2", 1);
  setenv("HOME", "/home/of the daemon", 1);
  const auto file = (stage.folder / "environment").string();
  // env(1) itself, because a shell adds variables of its own.
  const auto end = stage.run(running({stage.script("exec env > " + file)}));
  unsetenv("PGPASSWORD");
  CHECK(end.outcome == DeployOutcome::succeeded);
  std::set<std::string> lines;
  std::istringstream all{contents(file)};
  for (std::string line; std::getline(all, line);) {
    if (!line.starts_with("PWD=") && !line.starts_with("PATH=") && !line.starts_with("LANG=") &&
        !line.starts_with("_=") && !line.starts_with("SHLVL=") && !line.starts_with("OLDPWD=")) {
      lines.insert(line);
    }
  }
  CHECK(lines == std::set<std::string>{
                     "HOME=/home/of the daemon",
                     "ROLLBACKD_EVENT_ID=11111111-1111-1111-1111-111111111111",
                     "ROLLBACKD_DEPLOYMENT_ID=22222222-2222-2222-2222-222222222222",
                     "ROLLBACKD_ENVIRONMENT=production",
                     "ROLLBACKD_SERVICE=api",
                     "ROLLBACKD_VERSION=v2.5.2",
                     "ROLLBACKD_GIT_COMMIT=a7f3b29",
                 });
}

TEST_CASE("command: it inherits no descriptor, signal mask or ignored signal, and has a group") {
  Stage stage;
  const int open_on_purpose = open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  REQUIRE(open_on_purpose >= 0);
  signal(SIGPIPE, SIG_IGN);
  sigset_t usr1;
  sigset_t before;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr1, &before);
  const auto file = (stage.folder / "found").string();
  const auto end = stage.run(running({stage.script(
      "exec 9> " + file +
      "; echo $$ >&9; sed 's/.*) //' /proc/$$/stat | cut -d' ' -f3 >&9; "
      "grep -E 'Sig(Blk|Ign)' /proc/self/status >&9; readlink /proc/$$/fd/0 >&9; "
      "for fd in /proc/$$/fd/*; do [ -e $fd ] && all=\"$all ${fd##*/}\"; done; echo $all >&9")}));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  signal(SIGPIPE, SIG_DFL);
  close(open_on_purpose);
  CHECK(end.outcome == DeployOutcome::succeeded);
  std::istringstream found{contents(file)};
  std::string pid;
  std::string group;
  std::string line;
  REQUIRE(std::getline(found, pid));
  REQUIRE(std::getline(found, group));
  CHECK(pid == group);
  std::getline(found, line);
  CHECK(line == "SigBlk:\t0000000000000000");
  std::getline(found, line);
  CHECK(line == "SigIgn:\t0000000180000000");  // the C library's own 32 and 33
  std::getline(found, line);
  CHECK(line == "/dev/null");
  std::getline(found, line);
  CHECK(line == "0 1 10 2 9");  // 10 is the shell's hold on its script, 9 the script's own
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all{"/proc/self/fd"};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST_CASE("command: a hundred deploys leave no descriptor and no zombie behind") {
  Stage stage;
  const auto script = stage.script("echo x; exit 1");
  stage.run(running({script}));
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 100; ++i) {
    tests::RecordingInbox inbox;
    Command command{stage.reactor, inbox, stage.log, running({script})};
    command.deploy(a_deploy());
    REQUIRE(run_until(stage.reactor, [&] { return !inbox.all<DeployEnded>().empty(); }));
  }
  CHECK(open_descriptors() == before);
  CHECK(zombies() == 0);
}

TEST_CASE("command: of 10 MB of output the end is kept, as text") {
  Stage stage;
  const auto end = stage.run(running(
      {stage.script("yes 0123456789012345678901234567890123456789 | head -c 10000000; "
                    "printf '\\033[31mred\\033[0m \\377\\000 \\303\\244 end\\r\\n'; exit 1")}));
  CHECK(end.outcome == DeployOutcome::failed);
  CHECK(end.detail.size() < 2001);
  CHECK(end.detail.ends_with("red \xEF\xBF\xBD \xC3\xA4 end"));
  CHECK(end.detail.find('\0') == std::string::npos);
}

TEST_CASE("command: one endless line is cut to what a record takes") {
  Stage stage;
  const auto end = stage.run(running({stage.script(
      "i=0; while [ $i -lt 3000 ]; do printf '\\303\\244'; i=$((i+1)); done; exit 1")}));
  CHECK(end.detail.starts_with("exit status 1: …"));
  CHECK(end.detail.size() <= 2000);
  CHECK(end.detail.ends_with("\xC3\xA4"));
}

TEST_CASE("command: a process left behind with the pipe open does not delay the answer") {
  Stage stage;
  const auto file = stage.folder / "pid";
  // It goes on writing and must not die of a closed pipe.
  const auto script = stage.script("(while :; do echo noise || exit 1; done) & echo $! > " +
                                   file.string() + "; echo done");
  Command command{stage.reactor, stage.inbox, stage.log, running({script})};
  command.deploy(a_deploy());
  REQUIRE(run_until(stage.reactor, [&] { return !stage.inbox.all<DeployEnded>().empty(); }));
  CHECK(stage.inbox.all<DeployEnded>().front().outcome == DeployOutcome::succeeded);
  CHECK(command.running_count() == 0);
  const pid_t left = std::stoi(contents(file));
  for (int i = 0; i < 1000; ++i) {
    stage.reactor.run_one();
  }
  CHECK(is_alive(left));
  kill(left, SIGKILL);
}

TEST_CASE("command: past its deadline it is asked to end, and says so") {
  Stage stage;
  auto settings =
      running({stage.script("trap 'echo cleaned up; exit 0' TERM; echo started; "
                            "while :; do :; done")});
  settings.timeout = std::chrono::milliseconds{250};
  const auto end = stage.run(settings);
  CHECK(end.outcome == DeployOutcome::failed);
  CHECK(end.detail == "timed out after 0.25 s: started\ncleaned up");
}

TEST_CASE("command: what ignores SIGTERM is killed, its whole group with it") {
  Stage stage;
  const auto file = stage.folder / "pids";
  auto settings = running({stage.script("trap '' TERM; sleep 1000 & echo $$ $! > " + file.string() +
                                        "; wait; while :; do sleep 1000; done")});
  settings.timeout = std::chrono::milliseconds{250};
  settings.grace = std::chrono::milliseconds{100};
  const auto end = stage.run(settings);
  CHECK(end.outcome == DeployOutcome::failed);
  CHECK(end.detail.starts_with("timed out after 0.25 s"));
  pid_t leader = 0;
  pid_t other = 0;
  std::ifstream{file} >> leader >> other;
  REQUIRE(other > 0);
  CHECK_FALSE(is_alive(leader));
  CHECK(ends_soon(other));
}

TEST_CASE("command: a program that is not there is not started, with the remedy") {
  Stage stage;
  const auto end = stage.run(running({(stage.folder / "nowhere").string()}));
  CHECK(end.outcome == DeployOutcome::not_started);
  CHECK(end.detail.find("No such file or directory") != std::string::npos);
  CHECK(end.detail.find("must exist and be executable") != std::string::npos);
  CHECK(stage.inbox.all<DeployStarted>().empty());
}

TEST_CASE("command: a program that is not executable, or no program, is not started") {
  Stage stage;
  CHECK(stage.run(running({stage.script("exit 0", 0600)})).outcome == DeployOutcome::not_started);
  Stage other;
  const auto file = other.folder / "text";
  std::ofstream{file} << "echo no shebang\n";
  REQUIRE(chmod(file.c_str(), 0700) == 0);
  CHECK(other.run(running({file.string()})).outcome == DeployOutcome::not_started);
}

TEST_CASE("command: nothing configured is not started") {
  Stage stage;
  const auto end = stage.run(running({}));
  CHECK(end.outcome == DeployOutcome::not_started);
  CHECK(end.detail == "no command is configured; set rollback.command.argv");
}

TEST_CASE("command: values that could be options or steer anything are not started") {
  for (const std::string value : {"-rf", "a\nb", "", "a\x7F"}) {
    Stage stage;
    auto deploy = a_deploy();
    deploy.git_commit = value;
    const auto end = stage.run(running({"/bin/true"}), deploy);
    CHECK(end.outcome == DeployOutcome::not_started);
    CHECK(end.detail.find("git_commit") != std::string::npos);
  }
}

TEST_CASE("command: arguments too long for the system are not started") {
  Stage stage;
  auto deploy = a_deploy();
  deploy.version.assign(4U << 20U, 'v');
  const auto end = stage.run(running({"/bin/true", "{version}"}), deploy);
  CHECK(end.outcome == DeployOutcome::not_started);
  CHECK(end.detail.size() < 2000);
}

TEST_CASE("command: a program without a slash is looked up in PATH") {
  Stage stage;
  CHECK(stage.run(running({"true"})).outcome == DeployOutcome::succeeded);
}

TEST_CASE("command: it says what runs, and starts nothing new when told to stop") {
  Stage stage;
  const auto fifo = (stage.folder / "fifo").string();
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  Command command{stage.reactor, stage.inbox, stage.log,
                  running({stage.script("read line < " + fifo)})};
  command.deploy(a_deploy());
  CHECK(command.running() == std::vector{event_id});
  command.deploy(a_deploy());  // asked twice: not run twice, and not answered
  CHECK(command.running_count() == 1);
  command.stop_starting();
  auto second = a_deploy();
  second.event = *rules::EventId::parse("44444444-4444-4444-4444-444444444444");
  command.deploy(second);
  REQUIRE(stage.inbox.all<DeployEnded>().size() == 1);
  CHECK(stage.inbox.all<DeployEnded>()[0].event == second.event);
  CHECK(stage.inbox.all<DeployEnded>()[0].outcome == DeployOutcome::not_started);
  std::ofstream{fifo} << "go\n";
  REQUIRE(run_until(stage.reactor, [&] { return stage.inbox.all<DeployEnded>().size() == 2; }));
  CHECK(stage.inbox.all<DeployEnded>()[1].outcome == DeployOutcome::succeeded);
  CHECK(command.running().empty());
}

TEST_CASE("command: no more children than the limit") {
  Stage stage;
  Command command{stage.reactor, stage.inbox, stage.log, running({"/bin/sleep", "1000"})};
  auto deploy = a_deploy();
  for (std::size_t i = 0; i <= Command::children_max; ++i) {
    std::array<std::uint8_t, 16> bytes{};
    bytes[0] = static_cast<std::uint8_t>(i);
    deploy.event = rules::EventId{bytes};
    command.deploy(deploy);
  }
  CHECK(command.running_count() == Command::children_max);
  REQUIRE(stage.inbox.all<DeployEnded>().size() == 1);
  CHECK(stage.inbox.all<DeployEnded>()[0].outcome == DeployOutcome::not_started);
  for (const auto& started : stage.inbox.all<DeployStarted>()) {
    kill(process_of(started), SIGKILL);
  }
  CHECK(run_until(stage.reactor, [&] { return command.running_count() == 0; }));
}

TEST_CASE("command: without pidfd the end is noticed all the same") {
  Stage stage;
  auto settings = running({stage.script("echo early; exit 4")});
  settings.pidfd = false;
  CHECK(stage.run(settings).detail == "exit status 4: early");
  Stage second;
  settings.argv = {second.script("sleep 0.05; exit 5")};
  CHECK(second.run(settings).detail == "exit status 5");
}

TEST_CASE("command: exit statuses are kept also where SIGCHLD was ignored at the start") {
  Stage stage;
  signal(SIGCHLD, SIG_IGN);
  CHECK(stage.run(running({stage.script("exit 6")})).detail == "exit status 6");
}

TEST_CASE("command: its end lets go of what runs, and the reactor has nothing left to do") {
  Stage stage;
  {
    Command command{stage.reactor, stage.inbox, stage.log, running({"/bin/sleep", "1000"})};
    command.deploy(a_deploy());
  }
  REQUIRE(stage.inbox.all<DeployStarted>().size() == 1);
  const pid_t left = process_of(stage.inbox.all<DeployStarted>()[0]);
  stage.reactor.run_for(std::chrono::seconds{20});
  CHECK(stage.reactor.stopped());
  CHECK(stage.inbox.all<DeployEnded>().empty());
  CHECK(is_alive(left));
  kill(left, SIGKILL);
  waitpid(left, nullptr, 0);
}

}  // namespace
}  // namespace rollbackd::engine
