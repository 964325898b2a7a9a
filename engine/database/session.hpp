#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "engine/clock.hpp"
#include "engine/database/connection.hpp"
#include "engine/database/conninfo.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Why a job of a session did not get through.
struct SessionFailure {
  std::string what;      // one line for people
  std::string sqlstate;  // empty when the server said none
  bool lost = false;  // the connection is gone, and what it was doing may or may not have happened

  // The statement had to wait for a lock, or took, too long; the connection is well.
  [[nodiscard]] bool is_only_late() const;
};

constexpr const char* query_canceled = "57014";      // by statement_timeout
constexpr const char* lock_not_available = "55P03";  // by lock_timeout

// One database connection with a thread of its own for blocking SQL. It is opened at the start and
// kept, because at 100 % of max_connections there would be none to open. A lost one is thrown away,
// never revived, and replaced with growing, jittered delays (backoff.hpp). While there is nothing
// to do it is looked at now and then, so that a dead link is found before it is needed.
class Session {
 public:
  using Job = std::function<void(Connection&)>;
  using OnFailure = std::function<void(const SessionFailure&)>;

  struct Options {
    std::string purpose;                           // part of application_name and of log lines
    rules::Duration job_max = rules::seconds{10};  // longer jobs have their socket shut down
    // Runs on every new connection before any job; may throw.
    Job on_connect = [](Connection&) {};
    // Why there is no connection, each time the reason is another one. The session's thread.
    std::function<void(const std::string& why)> on_unreachable = [](const std::string&) {};
  };

  Session(const ConnectionInfo& info, Options options, Log& log);
  // Waits for the job at hand, drops the others without telling.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Runs the job on the session's thread, after those before it. While there is no connection it
  // fails at once. Both functions run on the session's thread. Any thread may call.
  void run(Job job, OnFailure on_failure);
  // The same, but waits for the connection to come back instead of failing.
  void run_when_connected(Job job, OnFailure on_failure);

  // For a failing job that will be tried again: waits this long, or until the session ends. The
  // session's thread only.
  void pause(rules::Duration delay);

  // Shuts the socket of a job down that takes longer than job_max: libpq waits for ever for a
  // server that has stopped without closing the connection. Called by a timer; any thread.
  void end_if_stuck(SteadyTime now);
  // Makes the connection at hand useless, so that another one is opened. Any thread.
  void drop();
  // Jobs may take so long from now on. Any thread.
  void set_job_max(rules::Duration job_max);

  // The job at hand fails at once, as if the connection were lost: nobody wants its answer any
  // more. Any thread.
  void abandon_job();

 private:
  struct Entry {
    Job job;
    OnFailure on_failure;
    bool waits = false;
  };

  void work();
  void add(Entry entry);
  // One attempt, and after a failed one the wait before the next. False: there is no connection
  // yet.
  bool reconnect(std::unique_lock<std::mutex>& lock);
  bool try_to_connect();
  void cannot_connect(const std::string& conninfo, const std::string& what);
  void run_entry(const Entry& entry);
  void drop_connection();

  ConnectionInfo info_;
  Options options_;
  Log& log_;

  std::mutex mutex_;  // guards all below but connection_, whose lifetime it guards
  std::condition_variable changed_;
  std::deque<Entry> queue_;
  bool stopping_ = false;
  std::unique_ptr<Connection> connection_;
  std::optional<SteadyTime> busy_since_;

  // The thread's only.
  int attempts_ = 0;
  std::string unreachable_;  // why; empty: it is not, or was not when last tried
  bool login_refused_ = false;
  std::thread thread_;
};

}  // namespace rollbackd::engine
