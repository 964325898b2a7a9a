#include "engine/database/held_lock.hpp"

#include <algorithm>
#include <utility>

namespace rollbackd::engine {
namespace {

constexpr rules::Duration heartbeat_every = rules::seconds{1};
// What forbids a lock by design is a setting of the server; it is looked at again this seldom.
constexpr rules::Duration forbidden_retry = rules::minutes{1};
// One that others hold for long is asked for less and less often, up to every 16 x try_every.
constexpr int doublings_max = 4;

constexpr const char* lock_not_available = "55P03";

std::string milliseconds(rules::Duration duration) {
  return std::to_string(duration.count() / 1000);
}

}  // namespace

HeldLock::HeldLock(asio::io_context& reactor, const ConnectionInfo& info, Options options,
                   Handlers handlers, Log& log)
    : reactor_{reactor},
      options_{std::move(options)},
      handlers_{std::move(handlers)},
      timer_{reactor},
      session_{info,
               {options_.purpose, options_.job_max,
                [lease = options_.lease, waits = options_.waits](pqxx::connection& connection) {
                  pqxx::nontransaction work{connection};
                  work.exec("set idle_session_timeout = " + milliseconds(lease));
                  if (waits > rules::Duration{0}) {
                    work.exec("set lock_timeout = " + milliseconds(waits));
                  }
                }},
               log} {}

void HeldLock::stop() {
  stopping_ = true;
  timer_.cancel();
}

void HeldLock::start() {
  wanted_ = true;
  if (!held_ && !trying_) {
    take();
  }
}

void HeldLock::let_go() {
  wanted_ = false;
  busy_ = 0;
  if (std::exchange(held_, false)) {
    give_back();
  }
}

// If this fails the connection is gone, and the lock with it.
void HeldLock::give_back() {
  run([key = options_.key](pqxx::connection& connection) {
    pqxx::nontransaction{connection}.exec("select pg_advisory_unlock(" + std::to_string(key) + ")");
  });
}

void HeldLock::take() {
  if (!wanted_) {
    after(heartbeat_every, &HeldLock::beat);
    return;
  }
  trying_ = true;
  session_.run_when_connected(
      [this](pqxx::connection& connection) {
        std::string why;
        const Attempt attempt = try_once(connection, why);
        asio::post(reactor_, [this, attempt, why] { tried(attempt, why); });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, failure] {
          if (failure.sqlstate == lock_not_available) {
            tried(Attempt::busy, failure.what);
          } else {
            lost(failure.what);
          }
        });
      });
}

HeldLock::Attempt HeldLock::try_once(pqxx::connection& connection, std::string& why) const {
  if (const auto reason = options_.forbidden_by(connection)) {
    why = *reason;
    return Attempt::forbidden;
  }
  pqxx::nontransaction work{connection};
  const std::string key = std::to_string(options_.key);
  if (options_.waits > rules::Duration{0}) {
    // The try-variant starves while others come and go; lock_timeout ends the wait.
    work.exec("select pg_advisory_lock(" + key + ")");
    return Attempt::taken;
  }
  const bool won = work.exec("select pg_try_advisory_lock(" + key + ")")[0][0].as<bool>();
  return won ? Attempt::taken : Attempt::busy;
}

void HeldLock::tried(Attempt attempt, const std::string& why) {
  trying_ = false;
  switch (attempt) {
    case Attempt::taken:
      busy_ = 0;
      if (!wanted_) {
        give_back();
      } else {
        held_ = true;
        handlers_.on_taken();
      }
      after(heartbeat_every, &HeldLock::beat);
      break;
    case Attempt::busy:
      handlers_.on_busy();
      after(options_.try_every * (1 << std::min(busy_++, doublings_max)), &HeldLock::take);
      break;
    case Attempt::forbidden:
      handlers_.on_forbidden(why);
      after(forbidden_retry, &HeldLock::take);
      break;
  }
}

void HeldLock::beat() {
  session_.run(
      [this](pqxx::connection& connection) {
        pqxx::nontransaction{connection}.exec("select 1");
        options_.on_heartbeat(connection);
        asio::post(reactor_, [this] {
          if (held_ || !wanted_) {
            after(heartbeat_every, &HeldLock::beat);
          }
        });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, what = failure.what] { lost(what); });
      });
}

void HeldLock::lost(const std::string& why) {
  trying_ = false;
  held_ = false;
  if (wanted_) {
    handlers_.on_lost(why);
  }
  after(options_.try_every, &HeldLock::take);
}

void HeldLock::after(rules::Duration delay, void (HeldLock::*what)()) {
  if (stopping_) {
    return;
  }
  timer_.expires_after(delay);
  timer_.async_wait([this, what](const boost::system::error_code& error) {
    if (!error) {
      (this->*what)();
    }
  });
}

}  // namespace rollbackd::engine
