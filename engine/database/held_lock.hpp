#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "engine/asio.hpp"

#include "engine/database/pooling.hpp"
#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// An advisory lock held as a lease: on a session of its own that the server ends, and the lock with
// it, when nothing has been heard from it for a while, because the daemon was stopped or cut off.
// The heartbeat keeps it. Tried again and again until it is had. Behind a pooler, where sessions
// are shared, it is held by a transaction that stays open instead. Reactor thread.
class HeldLock {
 public:
  struct Options {
    std::string purpose;  // of the session
    std::int64_t key = 0;
    rules::Duration lease{};
    rules::Duration try_every{};
    rules::Duration job_max{};
    // Waits in the server's queue, for so long, instead of asking whether it is free; 0: does not.
    rules::Duration waits{0};
    // Whether it may be held by an open transaction; otherwise it is forbidden behind a transaction
    // pooler.
    bool in_transaction_if_pooled = false;
    // Runs on the session as soon as the lock is had and before that is told. If it throws, the
    // lock is given up and had again later.
    Session::Job once_taken = [](Connection&) {};
    // Runs on the session with every heartbeat.
    Session::Job on_heartbeat = [](Connection&) {};
    // Asked before each attempt, on the session's thread: why it must not be taken; nothing: it
    // may.
    std::function<std::optional<std::string>(pqxx::connection&)> forbidden_by = [](auto&) {
      return std::nullopt;
    };
    // As Session's.
    std::function<void(const std::string& why)> on_unreachable = [](const std::string&) {};
  };

  struct Handlers {
    std::function<void()> on_taken;
    std::function<void()> on_busy;  // somebody else holds it
    std::function<void(const std::string& why)> on_forbidden;
    std::function<void(const std::string& why)> on_lost;  // or could not be had
  };

  HeldLock(asio::io_context& reactor, const ConnectionInfo& info, Options options,
           Handlers handlers, Log& log);

  // Keeps the session open with heartbeats, without the lock.
  void open() { beat(); }
  // From now on it is to be had, and is tried until it is. Again after let_go().
  void start();
  // Gives it back, or stops trying. The session stays, and so do the heartbeats.
  void let_go();
  void stop();
  [[nodiscard]] bool is_held() const { return held_; }
  // Makes the session end and says that the lock is lost; then it is had again like any lost one.
  void give_up(const std::string& why);
  // Runs a job on the lock's session; failures are dropped.
  void run(Session::Job job) {
    session_.run(std::move(job), [](const SessionFailure&) {});
  }
  // Also gives up what is held when the lease has run out without a heartbeat: this process was
  // stopped, and somebody else may have the lock.
  void end_if_stuck(SteadyTime now);

 private:
  enum class Attempt { taken, busy, forbidden };

  void take();
  void connected(Connection& connection);
  void make_lease(Connection& connection) const;
  Attempt try_once(Connection& connection, std::string& why);
  Attempt try_in_transaction(Connection& connection) const;
  bool is_forbidden_by_pooler(const Connection& connection);
  void tried(Attempt attempt, const std::string& why);
  void give_back();
  void beat();
  void failed(const SessionFailure& failure);
  void lost(const std::string& why);
  void after(rules::Duration delay, void (HeldLock::*what)());

  asio::io_context& reactor_;
  ConnectionInfo info_;
  Options options_;
  Handlers handlers_;
  asio::steady_timer timer_;
  bool wanted_ = false;
  bool trying_ = false;
  bool held_ = false;
  int busy_ = 0;         // attempts in a row that found it taken
  bool lapsed_ = false;  // the lease ran out, and that has been told
  bool stopping_ = false;
  // While held: when the last heartbeat that came through was sent. Also the session's thread.
  std::atomic<SteadyTime> proven_{};
  // The session's thread only: which connection it is on, which one has the lock (0: none), and
  // what the pooler in between does, once that was asked.
  int connection_ = 0;
  int held_on_ = 0;
  std::optional<Pooling> pooling_;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
