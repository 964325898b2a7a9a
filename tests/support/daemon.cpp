#include "tests/support/daemon.hpp"

#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace rollbackd::tests {
namespace {

using Steady = std::chrono::steady_clock;

// A moment for other processes to do what is waited for, so that the question does not starve them.
void give_way() { ::poll(nullptr, 0, 2); }

std::vector<char*> pointers(std::vector<std::string>& arguments) {
  std::vector<char*> raw;
  for (std::string& argument : arguments) {
    raw.push_back(argument.data());
  }
  raw.push_back(nullptr);
  return raw;
}

int spawn(std::vector<std::string> argv, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_adddup2(&actions, output, 2);
  int pid = 0;
  const int error =
      posix_spawn(&pid, argv[0].c_str(), &actions, nullptr, pointers(argv).data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw std::runtime_error{"cannot start " + argv[0]};
  }
  return pid;
}

}  // namespace

Daemon::Daemon(const std::string& configuration) {
  std::string name = std::filesystem::temp_directory_path() / "rollbackd-daemon-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error{"cannot make a directory"};
  }
  directory_ = name;
  std::ofstream{directory_ / "rollbackd.yaml"} << configuration;
  start();
}

Daemon::~Daemon() {
  if (pid_ != 0) {
    kill();
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void Daemon::start() {
  pid_ = start_program({ROLLBACKD_PROGRAM, "run", "--config", directory_ / "rollbackd.yaml"},
                       directory_ / "log");
}

std::string Daemon::log() const {
  std::ifstream in{directory_ / "log"};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

int Daemon::count_in_log(const std::string& text) const {
  const std::string all = log();
  int count = 0;
  for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) {
    ++count;
  }
  return count;
}

void Daemon::wait_for_log(const std::vector<std::string>& texts, double seconds) const {
  const auto holds_all = [&] {
    std::istringstream lines{log()};
    for (std::string line; std::getline(lines, line);) {
      std::size_t found = 0;
      for (const std::string& text : texts) {
        found += line.find(text) != std::string::npos ? 1U : 0U;
      }
      if (found == texts.size()) {
        return true;
      }
    }
    return false;
  };
  try {
    eventually(texts.front().c_str(), seconds, holds_all);
  } catch (const std::runtime_error& e) {
    throw std::runtime_error{std::string{e.what()} + "\nthe daemon's log:\n" + log()};
  }
}

void Daemon::signal(int number) const { ::kill(pid_, number); }

int Daemon::wait_for_end() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = 0;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void Daemon::kill() {
  signal(SIGKILL);
  wait_for_end();
}

int start_program(const std::vector<std::string>& argv, const std::filesystem::path& log) {
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int pid = spawn(argv, output);
  ::close(output);
  return pid;
}

int run_program(const std::vector<std::string>& argv, std::string& output) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw std::runtime_error{"cannot make a pipe"};
  }
  const int pid = spawn(argv, ends[1]);
  ::close(ends[1]);
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    output.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void eventually(const char* what, double seconds, const std::function<bool()>& question) {
  const auto limit = Steady::now() + std::chrono::duration<double>{seconds};
  while (!question()) {
    if (Steady::now() > limit) {
      throw std::runtime_error{std::string{"waited in vain for: "} + what};
    }
    give_way();
  }
}

}  // namespace rollbackd::tests
