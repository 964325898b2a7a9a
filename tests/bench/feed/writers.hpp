#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include <libpq-fe.h>

namespace rollbackd::tests {

using Steady = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// What the writers did in one go.
struct Slice {
  double commits = 0;
  Seconds length{0};         // from the first statement sent to the last answer
  Steady::time_point ended;  // the moment of the last answer
  [[nodiscard]] double rate() const { return commits / length.count(); }
};

// So many clients that stay connected, each of which commits one statement after the other. One
// thread serves them all, because on a small machine the clients' threads would be what is
// measured. Not thread safe but for stop().
class Writers {
 public:
  // Throws std::runtime_error where a connection or, later, a statement fails.
  Writers(const std::string& conninfo, int count);
  ~Writers();
  Writers(const Writers&) = delete;
  Writers& operator=(const Writers&) = delete;

  // The first writer listens to the channel, so that a NOTIFY costs what it costs with a listener.
  void listen_on_first(const std::string& channel);
  void prepare(const std::string& name, const std::string& sql);
  // All writers at once, for so long or until stop(); each finishes what it has begun.
  Slice run(const std::string& name, Seconds length);
  // From any thread. The next run() is stopped, if none is under way.
  void stop() { stopping_ = true; }

 private:
  void send(PGconn* connection, const std::string& name);
  bool took_answer(PGconn* connection);

  std::vector<PGconn*> connections_;
  int epoll_ = -1;
  std::atomic<bool> stopping_{false};
};

}  // namespace rollbackd::tests
