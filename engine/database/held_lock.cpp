#include "engine/database/held_lock.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "engine/database/statement.hpp"

namespace rollbackd::engine {
namespace {

constexpr rules::Duration heartbeat_every = rules::seconds{1};
// What forbids a lock by design is a setting of the server; it is looked at again this seldom.
constexpr rules::Duration forbidden_retry = rules::minutes{1};
// One that others hold for long is asked for less and less often, up to every 16 x try_every.
constexpr int try_doublings_max = 4;

// A server that takes no writes any more is another one's standby, or about to be; the connection
// is given up, so that the next one finds the server that does. Also the heartbeat.
void refuse_read_only(Connection& connection) {
  pqxx::nontransaction work{connection};
  if (work.exec("select pg_is_in_recovery()"
                " or current_setting('default_transaction_read_only')::bool")[0][0]
          .as<bool>()) {
    throw pqxx::broken_connection{"the server takes no writes any more"};
  }
}

}  // namespace

HeldLock::HeldLock(asio::io_context& reactor, const ConnectionInfo& info, Options options,
                   Handlers handlers, Log& log)
    : reactor_{reactor},
      info_{info},
      options_{std::move(options)},
      handlers_{std::move(handlers)},
      timer_{reactor},
      session_{info,
               {options_.purpose, options_.job_max,
                [this](Connection& connection) { connected(connection); }, options_.on_unreachable},
               log} {}

void HeldLock::connected(Connection& connection) {
  ++connection_;
  pooling_.reset();
  if (!connection.is_pooled()) {
    make_lease(connection);
  }
}

void HeldLock::make_lease(Connection& connection) const {
  pqxx::nontransaction work{connection};
  work.exec("set idle_session_timeout = " + setting_text(options_.lease));
  if (options_.waits > rules::Duration{0}) {
    work.exec("set lock_timeout = " + setting_text(options_.waits));
  }
}

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
  run([this](Connection& connection) {
    const bool in_transaction = connection.is_pooled() && options_.in_transaction_if_pooled;
    pqxx::nontransaction{connection}.exec(in_transaction ? "rollback"
                                                         : "select pg_advisory_unlock_all()");
    held_on_ = 0;
  });
}

void HeldLock::take() {
  if (!wanted_) {
    after(heartbeat_every, &HeldLock::beat);
    return;
  }
  trying_ = true;
  session_.run_when_connected(
      [this](Connection& connection) {
        std::string why;
        const SteadyTime asked = steady_now();
        const Attempt attempt = try_once(connection, why);
        if (attempt == Attempt::taken) {
          options_.once_taken(connection);
        }
        held_on_ = attempt == Attempt::taken ? connection_ : 0;
        proven_ = options_.waits > rules::Duration{0} ? steady_now() : asked;
        asio::post(reactor_, [this, attempt, why] { tried(attempt, why); });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, failure] {
          if (failure.sqlstate == lock_not_available) {
            tried(Attempt::busy, failure.what);
          } else {
            failed(failure);
          }
        });
      });
}

HeldLock::Attempt HeldLock::try_once(Connection& connection, std::string& why) {
  refuse_read_only(connection);
  if (is_forbidden_by_pooler(connection)) {
    why = pooler_swallows_bell;
    return Attempt::forbidden;
  }
  if (const auto reason = options_.forbidden_by(connection)) {
    why = *reason;
    return Attempt::forbidden;
  }
  if (connection.is_pooled() && options_.in_transaction_if_pooled) {
    return try_in_transaction(connection);
  }
  if (connection.is_pooled()) {
    make_lease(connection);
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

// BEGIN as a statement: a transaction of libpqxx could not outlast this job.
HeldLock::Attempt HeldLock::try_in_transaction(Connection& connection) const {
  pqxx::nontransaction work{connection};
  const bool won = work.exec("begin; set local idle_in_transaction_session_timeout = " +
                             setting_text(options_.lease) + "; select pg_try_advisory_xact_lock(" +
                             std::to_string(options_.key) + ")")[0][0]
                       .as<bool>();
  if (!won) {
    work.exec("rollback");
  }
  return won ? Attempt::taken : Attempt::busy;
}

bool HeldLock::is_forbidden_by_pooler(const Connection& connection) {
  if (!connection.is_pooled() || options_.in_transaction_if_pooled) {
    return false;
  }
  if (const auto conninfo = session_conninfo(info_, options_.purpose); conninfo && !pooling_) {
    pooling_ = pooling_at(*conninfo);
  }
  if (!pooling_) {
    throw std::runtime_error{"what the pooler does could not be found out"};
  }
  return std::exchange(pooling_, *pooling_ == Pooling::session ? pooling_ : std::nullopt) ==
         Pooling::transaction;
}

void HeldLock::tried(Attempt attempt, const std::string& why) {
  trying_ = false;
  switch (attempt) {
    case Attempt::taken:
      busy_ = 0;
      lapsed_ = false;
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
      after(options_.try_every * (1 << std::min(busy_, try_doublings_max)), &HeldLock::take);
      // To wait in the queue harms others; to ask whether it is free does not.
      busy_ += options_.waits > rules::Duration{0} ? 1 : 0;
      break;
    case Attempt::forbidden:
      handlers_.on_forbidden(why);
      after(forbidden_retry, &HeldLock::take);
      break;
  }
}

void HeldLock::beat() {
  session_.run(
      [this](Connection& connection) {
        const SteadyTime asked = steady_now();
        refuse_read_only(connection);
        options_.on_heartbeat(connection);
        proven_ = asked;
        // Another job may have found the old connection dead.
        const bool gone = held_on_ != 0 && held_on_ != connection_;
        held_on_ = gone ? 0 : held_on_;
        asio::post(reactor_, [this, gone] {
          if (gone) {
            lost("the connection to the database was lost");
          } else if (held_ || !wanted_) {
            after(heartbeat_every, &HeldLock::beat);
          } else if (!trying_) {
            after(options_.try_every, &HeldLock::take);  // the lease ran out meanwhile
          }
        });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, failure] { failed(failure); });
      });
}

// A session that goes on would go on holding what it is believed to have lost.
void HeldLock::failed(const SessionFailure& failure) {
  if (!failure.lost) {
    session_.drop();
  }
  lost(failure.what);
}

void HeldLock::lost(const std::string& why) {
  trying_ = false;
  held_ = false;
  if (!std::exchange(lapsed_, false) && wanted_) {
    handlers_.on_lost(why);
  }
  after(options_.try_every, &HeldLock::take);
}

// The heartbeat, which is under way or due, finds the connection gone and takes the lock again.
void HeldLock::give_up(const std::string& why) {
  if (held_) {
    held_ = false;
    lapsed_ = true;
    session_.drop();
    handlers_.on_lost(why);
  }
}

// The server counts the lease from the end of the last heartbeat, we from its beginning and a tenth
// less, which is longer than the time between two looks: it is over here before it is over there.
void HeldLock::end_if_stuck(SteadyTime now) {
  session_.end_if_stuck(now);
  if (now - proven_.load() > options_.lease - options_.lease / 10) {
    give_up("no heartbeat for as long as the lease: the daemon was stopped, or the link is");
  }
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
