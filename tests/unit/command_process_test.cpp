#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <set>
#include <signal.h>
#include <sstream>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "engine/actions/command.hpp"
#include "tests/support/command_stage.hpp"

namespace rollbackd::engine {
namespace {

using rules::DeployEnded;
using rules::DeployOutcome;
using rules::DeployStarted;
using tests::a_deploy;
using tests::CommandStage;
using tests::contents;
using tests::process_of;
using tests::run_until;
using tests::running;

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
  const int ready = poll(&ended, 1, 60'000);
  close(fd);
  return ready == 1;
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

TEST_CASE("command: the environment holds what is meant for it and no secret of the daemon") {
  CommandStage stage;
  // This program has one thread here. NOLINTBEGIN(concurrency-mt-unsafe)
  const char* home = getenv("HOME");
  const std::string old_home = home == nullptr ? "/" : home;
  setenv("PGPASSWORD", "hunter2", 1);
  setenv("HOME", "/home/of the daemon", 1);
  const auto file = (stage.folder / "environment").string();
  // env(1) itself, because a shell adds variables of its own.
  const auto end = stage.run(running({stage.script("exec env > " + file)}));
  unsetenv("PGPASSWORD");
  setenv("HOME", old_home.c_str(), 1);
  // NOLINTEND(concurrency-mt-unsafe)
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
  CommandStage stage;
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
  CommandStage stage;
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

TEST_CASE("command: a process left behind with the pipe open does not delay the answer") {
  CommandStage stage;
  const auto file = stage.folder / "pid";
  // It goes on writing and must not die of a closed pipe.
  const auto script = stage.script("(while :; do echo noise || exit 1; done) & echo $! > " +
                                   file.string() + "; echo done");
  Command command{stage.reactor, stage.inbox, stage.log, running({script})};
  command.deploy(a_deploy());
  REQUIRE(run_until(stage.reactor, [&] { return !stage.inbox.all<DeployEnded>().empty(); }));
  CHECK(stage.inbox.all<DeployEnded>().front().outcome == DeployOutcome::succeeded);
  CHECK(command.lost_with_us() == 0);
  const pid_t left = std::stoi(contents(file));
  for (int i = 0; i < 1000; ++i) {
    stage.reactor.run_one();
  }
  CHECK(is_alive(left));
  kill(left, SIGKILL);
}

TEST_CASE("command: past its deadline it is asked to end, and says so") {
  CommandStage stage;
  auto settings =
      running({stage.script("trap 'echo cleaned up; exit 0' TERM; echo started; "
                            "while :; do :; done")});
  settings.timeout = std::chrono::seconds{3};
  const auto end = stage.run(settings);
  CHECK(end.outcome == DeployOutcome::failed);
  CHECK(end.detail == "timed out after 3 s: started\ncleaned up");
}

TEST_CASE("command: what ignores SIGTERM is killed, its whole group with it") {
  CommandStage stage;
  const auto file = stage.folder / "pids";
  auto settings = running({stage.script("trap '' TERM; sleep 1000 & echo $$ $! > " + file.string() +
                                        "; wait; while :; do sleep 1000; done")});
  settings.timeout = std::chrono::seconds{3};
  settings.grace = std::chrono::milliseconds{100};
  const auto end = stage.run(settings);
  CHECK(end.outcome == DeployOutcome::failed);
  CHECK(end.detail.starts_with("timed out after 3 s"));
  pid_t leader = 0;
  pid_t other = 0;
  std::ifstream{file} >> leader >> other;
  REQUIRE(other > 0);
  CHECK_FALSE(is_alive(leader));
  CHECK(ends_soon(other));
}

TEST_CASE("command: without pidfd the end is noticed all the same") {
  CommandStage stage;
  auto settings = running({stage.script("echo early; exit 4")});
  settings.pidfd = false;
  CHECK(stage.run(settings).detail == "exit status 4: early");
  CommandStage second;
  settings.argv = {second.script("sleep 0.05; exit 5")};
  CHECK(second.run(settings).detail == "exit status 5");
}

TEST_CASE("command: exit statuses are kept also where SIGCHLD was ignored at the start") {
  CommandStage stage;
  signal(SIGCHLD, SIG_IGN);
  CHECK(stage.run(running({stage.script("exit 6")})).detail == "exit status 6");
}

TEST_CASE("command: its end lets go of what runs, and the reactor has nothing left to do") {
  CommandStage stage;
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
