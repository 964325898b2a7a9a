#include "engine/feed/doorbell_key.hpp"

#include "engine/database/doorbell_names.hpp"

namespace rollbackd::engine {
namespace {

// The server ends a session that says nothing for this long, and K with it; the heartbeat keeps it.
constexpr const char* lease = "set idle_session_timeout = '3s'";
constexpr rules::Duration heartbeat_every = rules::seconds{1};
constexpr rules::Duration retry_every = rules::seconds{1};
// PREPARE TRANSACTION fails in a transaction that has rung, so there the bell has to stay silent.
constexpr rules::Duration by_design_retry = rules::seconds{60};

}  // namespace

DoorbellKey::DoorbellKey(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers,
                         Log& log)
    : reactor_{reactor},
      handlers_{std::move(handlers)},
      log_{log},
      timer_{reactor},
      session_{info,
               {"doorbell", rules::seconds{6},
                [](pqxx::connection& c) { pqxx::nontransaction{c}.exec(lease); }},
               log} {}

void DoorbellKey::start() { take(); }

void DoorbellKey::stop() {
  stopping_ = true;
  timer_.cancel();
}

void DoorbellKey::after(rules::Duration delay, void (DoorbellKey::*what)()) {
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

void DoorbellKey::take() {
  const auto job = [this](pqxx::connection& connection) {
    pqxx::nontransaction work{connection};
    if (work.exec("show max_prepared_transactions")[0][0].as<int>() > 0) {
      asio::post(reactor_, [this] {
        silent("max_prepared_transactions is above 0, and PREPARE TRANSACTION fails after a NOTIFY",
               true);
      });
      return;
    }
    // Blocking: the try-variant starves while writers come and go. lock_timeout ends the wait.
    work.exec("select pg_advisory_lock(" + std::to_string(doorbell_key) + ")");
    asio::post(reactor_, [this] {
      held_ = true;
      handlers_.on_taken();
      after(heartbeat_every, &DoorbellKey::beat);
    });
  };
  session_.run_when_connected(job, [this](const SessionFailure& failure) {
    asio::post(reactor_, [this, what = failure.what] { silent(what, false); });
  });
}

void DoorbellKey::beat() {
  session_.run(
      [this](pqxx::connection& connection) {
        pqxx::nontransaction{connection}.exec("select 1");
        asio::post(reactor_, [this] { after(heartbeat_every, &DoorbellKey::beat); });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, what = failure.what] { silent(what, false); });
      });
}

void DoorbellKey::ring_canary() {
  session_.run(
      [this](pqxx::connection& connection) {
        asio::post(reactor_, [this] { handlers_.on_canary_rung(); });
        pqxx::nontransaction{connection}.exec(std::string{"select pg_notify('"} + doorbell_channel +
                                              "', 'canary')");
      },
      [](const SessionFailure&) {});
}

void DoorbellKey::silent(const std::string& why, bool by_design) {
  held_ = false;
  handlers_.on_silent(why, by_design);
  after(by_design ? by_design_retry : retry_every, &DoorbellKey::take);
}

}  // namespace rollbackd::engine
