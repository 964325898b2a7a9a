#include "engine/store/heartbeat.hpp"

#include "engine/database/statement.hpp"

namespace rollbackd::engine {
namespace {

constexpr rules::Duration beat_every = rules::seconds{10};
constexpr rules::Duration beat_max = rules::seconds{5};

// Old ones are deleted in the same statement, so that there are never more than a few.
const Statement& beat_statement() {
  static const Statement statement{
      "heartbeat",
      "with old as (delete from ops.heartbeats"
      "   where \"timestamp\" < clock_timestamp() - interval '1 minute')"
      " insert into ops.heartbeats (\"timestamp\") values (clock_timestamp())"};
  return statement;
}

}  // namespace

Heartbeat::Heartbeat(asio::io_context& reactor, const ConnectionInfo& info, Log& log, Meter& meter)
    : reactor_{reactor},
      log_{log},
      meter_{meter},
      timer_{reactor},
      session_{info, {"heartbeat", beat_max}, log} {}

void Heartbeat::lead() {
  leading_ = true;
  if (!beating_) {
    beat();
  }
}

void Heartbeat::follow() {
  leading_ = false;
  timer_.cancel();
}

void Heartbeat::beat() {
  beating_ = true;
  session_.run_when_connected(
      [this](Connection& connection) {
        const Transaction work = begin_single(connection);
        run_statement(connection, *work, beat_statement());
        work->commit();
        asio::post(reactor_, [this] { again(false, ""); });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, why = failure.what] { again(true, why); });
      });
}

// Each failure counts; it is told when it is news.
void Heartbeat::again(bool failed, const std::string& why) {
  beating_ = false;
  meter_.count(Count::heartbeats);
  if (failed) {
    meter_.count(Count::heartbeats_failed);
    if (!told_) {
      log_.warning("heartbeat_failed", {{"why", why}});
    }
  }
  told_ = failed;
  if (!leading_) {
    return;
  }
  timer_.expires_after(beat_every);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && leading_ && !beating_) {
      beat();
    }
  });
}

}  // namespace rollbackd::engine
