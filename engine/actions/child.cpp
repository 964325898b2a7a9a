#include "engine/actions/child.hpp"

#include <cerrno>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "engine/utf8.hpp"
#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

// More than a pipe holds, and a bound for one that is written to faster than it is read.
constexpr std::size_t read_at_once_max = 256U << 10U;

// argv and envp as exec wants them; valid as long as the strings are.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (const std::string& text : texts) {
    all.push_back(const_cast<char*>(text.c_str()));
  }
  all.push_back(nullptr);
  return all;
}

class SpawnPlan {
 public:
  explicit SpawnPlan(int output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, output, STDERR_FILENO);
    // Descriptors that a library opened without O_CLOEXEC must not get out either.
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // 0, or what exec itself said: the call returns when the program runs or cannot.
  int run(const Program& program, pid_t& pid) const {
    return posix_spawnp(&pid, program.argv.front().c_str(), &actions_, &attributes_,
                        pointers(program.argv).data(), pointers(program.environment).data());
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

Error cannot_start(const std::string& program, int error) {
  Error failure{
      "cannot start " + plain_text(program) + ": " + std::generic_category().message(error), {}};
  if (error == ENOENT || error == EACCES || error == ENOEXEC || error == ENOTDIR) {
    failure.remedy =
        "the program named in argv must exist and be executable for the user rollbackd runs as, "
        "and "
        "so must the interpreter named in a script's first line";
  } else if (error == E2BIG) {
    failure.remedy =
        "the arguments are too long: correct version and git_commit in ops.deployments";
  } else {
    failure.remedy =
        "the system is short of something: look at its processes, memory and open files";
  }
  return failure;
}

}  // namespace

void OutputTail::append(std::string_view bytes) {
  bytes_.append(bytes);
  if (bytes_.size() > bytes_max) {
    bytes_.erase(0, bytes_.size() - bytes_max);
    cut_ = true;
  }
}

std::string OutputTail::text() const {
  std::size_t begin = 0;
  while (cut_ && begin < 3 && begin < bytes_.size() &&
         (static_cast<unsigned char>(bytes_[begin]) & 0xC0U) == 0x80U) {
    ++begin;
  }
  return plain_text(std::string_view{bytes_}.substr(begin));
}

Child::Child(asio::io_context& reactor)
    : pipe_{reactor}, pidfd_{reactor}, child_signal_{reactor}, deadline_{reactor} {}

Result<std::shared_ptr<Child>> Child::start(asio::io_context& reactor, const Program& program,
                                            const ChildOptions& options, Ended ended) {
  INVARIANT(!program.argv.empty());
  const auto child = std::make_shared<Child>(reactor);
  child->options_ = options;
  child->ended_ = std::move(ended);
  if (auto spawned = child->spawn(program); !spawned) {
    return spawned.error();
  }
  child->watch();
  return child;
}

Result<Done> Child::spawn(const Program& program) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return cannot_start(program.argv.front(), errno);
  }
  const auto [ours, its] = ends;
  pipe_.assign(ours);
  pipe_.non_blocking(true);
  const int error = SpawnPlan{its}.run(program, pid_);
  close(its);
  if (error != 0) {
    pipe_.close();
    return cannot_start(program.argv.front(), error);
  }
  return Done{};
}

void Child::watch() {
  if (options_.pidfd) {
    const auto fd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0U));
    if (fd >= 0) {
      pidfd_.assign(fd);
    }
  }
  if (!pidfd_.is_open()) {
    child_signal_.add(SIGCHLD);
    // It may have ended before the handler was there.
    asio::post(deadline_.get_executor(), [self = shared_from_this()] { self->look_at_end(); });
  }
  wait_for_end();
  read_output();
  arm_deadline(options_.timeout);
}

void Child::wait_for_end() {
  if (pidfd_.is_open()) {
    pidfd_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        if (!error) {
                          self->look_at_end();
                        }
                      });
    return;
  }
  child_signal_.async_wait(
      [self = shared_from_this()](const boost::system::error_code& error, int) {
        if (!error && !self->reaped_) {
          self->wait_for_end();
          self->look_at_end();
        }
      });
}

void Child::look_at_end() {
  if (reaped_) {
    return;
  }
  siginfo_t info{};
  const auto id = static_cast<id_t>(pid_);
  // Not yet reaped: until then its number, and its group's, cannot be given to anybody else.
  if (waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    reaped_ = true;
    finish(ChildEnd::How::lost, 0);
    return;
  }
  if (info.si_pid == 0) {
    return;
  }
  if (stage_ != Stage::running) {
    kill(-pid_, SIGKILL);  // what ignored the SIGTERM must not go on deploying
  }
  siginfo_t again{};
  waitid(P_PID, id, &again, WEXITED | WNOHANG);
  reaped_ = true;
  if (stage_ != Stage::running) {
    finish(ChildEnd::How::timed_out, info.si_status);
  } else {
    finish(info.si_code == CLD_EXITED ? ChildEnd::How::exited : ChildEnd::How::killed,
           info.si_status);
  }
}

// Waits and then reads itself: of a read that Asio has finished but not yet told, the end of the
// process would overtake the bytes.
void Child::read_output() {
  pipe_.async_wait(asio::posix::stream_descriptor::wait_read,
                   [self = shared_from_this()](const boost::system::error_code& error) {
                     if (!error && self->pipe_.is_open() && self->read_some()) {
                       self->read_output();
                     }
                   });
}

// False: there will never be more.
bool Child::read_some() {
  std::array<char, 16384> buffer{};
  for (std::size_t total = 0; total < read_at_once_max;) {
    const ssize_t size = ::read(pipe_.native_handle(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0 && errno == EAGAIN) {
      return true;
    }
    if (size <= 0) {
      hush();
      return false;
    }
    total += static_cast<std::size_t>(size);
    if (ended_) {
      tail_.append({buffer.data(), static_cast<std::size_t>(size)});
    }
  }
  return true;
}

void Child::arm_deadline(rules::Duration after) {
  deadline_.expires_after(after);
  deadline_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && !self->reaped_) {
      self->deadline_passed();
    }
  });
}

void Child::deadline_passed() {
  look_at_end();  // both may have come at once
  if (reaped_) {
    return;
  }
  switch (stage_) {
    case Stage::running:
      stage_ = Stage::terminated;
      kill(-pid_, SIGTERM);
      arm_deadline(options_.grace);
      break;
    case Stage::terminated:
      stage_ = Stage::killed;
      kill(-pid_, SIGKILL);
      arm_deadline(options_.grace);
      break;
    case Stage::killed:
      finish(ChildEnd::How::stuck, SIGKILL);
      break;
  }
}

void Child::finish(ChildEnd::How how, int code) {
  deadline_.cancel();
  if (reaped_) {
    stop_watching();
  }
  if (!ended_) {
    return;
  }
  if (pipe_.is_open()) {
    read_some();  // the last words
  }
  const auto ended = std::exchange(ended_, nullptr);
  ended({how, code, tail_.text()});
}

void Child::hush() {
  boost::system::error_code ignored;
  pipe_.close(ignored);
}

void Child::abandon() {
  ended_ = nullptr;
  reaped_ = true;
  deadline_.cancel();
  stop_watching();
  hush();
}

void Child::stop_watching() {
  child_signal_.clear();
  child_signal_.cancel();
  boost::system::error_code ignored;
  pidfd_.close(ignored);
}

}  // namespace rollbackd::engine
