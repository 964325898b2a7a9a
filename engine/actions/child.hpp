#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "engine/asio.hpp"

#include "engine/result.hpp"
#include "rules/time.hpp"

namespace rollbackd::engine {

// What to run. It gets exactly this environment (NAME=value), /dev/null to read from, one pipe to
// write to and no other descriptor, in a process group of its own. No shell has a look at the
// arguments.
struct Program {
  std::vector<std::string> argv;  // [0] is looked up in PATH when it has no slash
  std::vector<std::string> environment;
};

struct ChildOptions {
  rules::Duration timeout{};                  // from the start; then the group gets SIGTERM
  rules::Duration grace = rules::seconds{5};  // then SIGKILL
  bool pidfd = true;  // false: notice the end by SIGCHLD, as where the system has no pidfd
};

struct ChildEnd {
  enum class How {
    exited,     // `code` is the exit status
    killed,     // `code` is the signal
    timed_out,  // ended by us after its timeout
    stuck,      // not even SIGKILL ended it
    lost,       // somebody else took its exit status
  };
  How how = How::lost;
  int code = 0;
  std::string output;  // the last of it, plain text
};

// The last bytes of a stream.
class OutputTail {
 public:
  static constexpr std::size_t bytes_max = 4096;

  void append(std::string_view bytes);
  // Plain text in UTF-8, however the stream was cut.
  [[nodiscard]] std::string text() const;

 private:
  std::string bytes_;
  bool cut_ = false;
};

// One process, from its start to its end, on the reactor thread; nothing blocks and nothing polls.
// A process that it leaves behind with the pipe open does not delay the end; what that one writes
// is read and dropped, because a closed pipe would kill it, until hush().
class Child : public std::enable_shared_from_this<Child> {
 public:
  using Ended = std::function<void(const ChildEnd&)>;

  // An error: nothing was started. `ended` is called once, later, on the reactor.
  static Result<std::shared_ptr<Child>> start(asio::io_context& reactor, const Program& program,
                                              const ChildOptions& options, Ended ended);

  explicit Child(asio::io_context& reactor);
  ~Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Something else still writes to the pipe, or could.
  [[nodiscard]] bool is_listening() const { return pipe_.is_open(); }

  // Closes the pipe.
  void hush();
  // Lets go of the process as a crash of ours would: it goes on, and nothing is called any more.
  void abandon();

 private:
  Result<Done> spawn(const Program& program);
  void watch();
  void wait_for_end();
  void look_at_end();
  void stop_watching();
  void read_output();
  bool read_some();
  void arm_deadline(rules::Duration after);
  void deadline_passed();
  void finish(ChildEnd::How how, int code);

  asio::posix::stream_descriptor pipe_;
  asio::posix::stream_descriptor pidfd_;
  asio::signal_set child_signal_;
  asio::steady_timer deadline_;
  ChildOptions options_;
  Ended ended_;
  pid_t pid_ = 0;
  enum class Stage { running, terminated, killed } stage_ = Stage::running;
  bool reaped_ = false;
  OutputTail tail_;
};

}  // namespace rollbackd::engine
