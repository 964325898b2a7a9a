#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "engine/asio.hpp"

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
    // Waits in the server's queue instead of asking whether it is free.
    bool waits = false;
    // Whether it may be held by an open transaction; otherwise it is forbidden behind a transaction
    // pooler.
    bool in_transaction_if_pooled = false;
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

  void start() { take(); }
  void stop();
  [[nodiscard]] bool is_held() const { return held_; }
  // Runs a job on the lock's session; failures are dropped.
  void run(Session::Job job) {
    session_.run(std::move(job), [](const SessionFailure&) {});
  }
  // Also ends what is held, when the lease has run out without a heartbeat: this process was
  // stopped, and somebody else may have the lock.
  void end_if_stuck(SteadyTime now);

 private:
  enum class Attempt { taken, busy, forbidden };

  void take();
  Attempt try_once(Connection& connection, std::string& why) const;
  Attempt try_in_transaction(Connection& connection) const;
  [[nodiscard]] bool is_forbidden_by_pooler(const Connection& connection) const;
  void tried(Attempt attempt, const std::string& why);
  void beat();
  void lost(const std::string& why);
  void after(rules::Duration delay, void (HeldLock::*what)());

  asio::io_context& reactor_;
  ConnectionInfo info_;
  Options options_;
  Handlers handlers_;
  asio::steady_timer timer_;
  bool held_ = false;
  // While held: when the last heartbeat that came through was sent. Also the session's thread.
  std::atomic<SteadyTime> proven_{};
  bool stopping_ = false;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
