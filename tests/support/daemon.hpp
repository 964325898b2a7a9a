#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace rollbackd::tests {

// The real program, run as a process of its own. Ends with the object.
class Daemon {
 public:
  // Starts `rollbackd run` with this configuration (YAML text). The log goes to log_file().
  explicit Daemon(const std::string& configuration);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Waits until a line of the log holds all of these texts; throws with the log's end after
  // `seconds`.
  void wait_for_log(const std::vector<std::string>& texts, double seconds = 60) const;
  [[nodiscard]] std::string log() const;
  // How often this text is in the log.
  [[nodiscard]] int count_in_log(const std::string& text) const;
  [[nodiscard]] int pid() const { return pid_; }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

  void signal(int number) const;
  // Waits for its end and gives the exit code, or minus the signal's number.
  int wait_for_end();
  void kill();   // as a crash
  void start();  // again, with the same configuration; the log goes on

 private:
  std::filesystem::path directory_;
  int pid_ = 0;
};

// Starts a program whose output is appended to the file `log`; gives its pid.
int start_program(const std::vector<std::string>& argv, const std::filesystem::path& log);

// Runs a program and gives its exit code; its output is appended to `output`.
int run_program(const std::vector<std::string>& argv, std::string& output);

// Asks again and again, with no time in between but the question's own, until it is true. Throws a
// std::runtime_error that names `what` after `seconds`. For what another process does.
void eventually(const char* what, double seconds, const std::function<bool()>& question);

}  // namespace rollbackd::tests
