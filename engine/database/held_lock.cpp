#include "engine/database/held_lock.hpp"

#include <stdexcept>

#include "engine/database/pooling.hpp"

namespace rollbackd::engine {
namespace {

constexpr rules::Duration heartbeat_every = rules::seconds{1};
// What forbids a lock by design is a setting of the server; it is looked at again this seldom.
constexpr rules::Duration forbidden_retry = rules::minutes{1};

std::string milliseconds(rules::Duration duration) {
  return std::to_string(duration.count() / 1000);
}

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
                [lease = options_.lease](Connection& connection) {
                  if (!connection.is_pooled()) {
                    pqxx::nontransaction{connection}.exec("set idle_session_timeout = " +
                                                          milliseconds(lease));
                  }
                },
                options_.on_unreachable},
               log} {}

void HeldLock::stop() {
  stopping_ = true;
  timer_.cancel();
}

void HeldLock::take() {
  session_.run_when_connected(
      [this](Connection& connection) {
        std::string why;
        const Attempt attempt = try_once(connection, why);
        proven_ = steady_now();
        asio::post(reactor_, [this, attempt, why] { tried(attempt, why); });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, what = failure.what] { lost(what); });
      });
}

HeldLock::Attempt HeldLock::try_once(Connection& connection, std::string& why) const {
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
  pqxx::nontransaction work{connection};
  const std::string key = std::to_string(options_.key);
  if (options_.waits) {
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
                             milliseconds(options_.lease) + "; select pg_try_advisory_xact_lock(" +
                             std::to_string(options_.key) + ")")[0][0]
                       .as<bool>();
  if (!won) {
    work.exec("rollback");
  }
  return won ? Attempt::taken : Attempt::busy;
}

bool HeldLock::is_forbidden_by_pooler(const Connection& connection) const {
  if (!connection.is_pooled() || options_.in_transaction_if_pooled) {
    return false;
  }
  const auto conninfo = session_conninfo(info_, options_.purpose);
  const auto pooling = conninfo ? pooling_at(*conninfo) : std::nullopt;
  if (!pooling) {
    throw std::runtime_error{"whether the pooler keeps sessions could not be found out"};
  }
  return *pooling == Pooling::transaction;
}

void HeldLock::tried(Attempt attempt, const std::string& why) {
  switch (attempt) {
    case Attempt::taken:
      held_ = true;
      handlers_.on_taken();
      after(heartbeat_every, &HeldLock::beat);
      break;
    case Attempt::busy:
      handlers_.on_busy();
      after(options_.try_every, &HeldLock::take);
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
        proven_ = asked;
        asio::post(reactor_, [this] {
          if (held_) {
            after(heartbeat_every, &HeldLock::beat);
          }
        });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, what = failure.what] {
          if (held_) {
            lost(what);
          }
        });
      });
}

void HeldLock::lost(const std::string& why) {
  held_ = false;
  handlers_.on_lost(why);
  after(options_.try_every, &HeldLock::take);
}

void HeldLock::end_if_stuck(SteadyTime now) {
  session_.end_if_stuck(now);
  if (held_ && now - proven_.load() > options_.lease) {
    session_.drop();
    lost("the lease ran out without a heartbeat: the daemon was stopped, or the link is");
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
