#include "engine/store/leadership.hpp"

#include "engine/database/doorbell_names.hpp"

namespace rollbackd::engine {
namespace {

constexpr const char* lease = "set idle_session_timeout = '5s'";
constexpr rules::Duration heartbeat_every = rules::seconds{1};
constexpr rules::Duration try_every{500'000};

}  // namespace

Leadership::Leadership(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers,
                       Log& log, Meter& meter, Board& board)
    : reactor_{reactor},
      handlers_{std::move(handlers)},
      log_{log},
      meter_{meter},
      board_{board},
      timer_{reactor},
      session_{info,
               {"leader", rules::seconds{3},
                [](pqxx::connection& c) { pqxx::nontransaction{c}.exec(lease); }},
               log} {
  board_.report(Part::leadership, "not leading yet");
}

void Leadership::stop() {
  stopping_ = true;
  timer_.cancel();
}

void Leadership::after(rules::Duration delay, void (Leadership::*what)()) {
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

void Leadership::try_to_lead() {
  session_.run_when_connected(
      [this](pqxx::connection& connection) {
        pqxx::nontransaction work{connection};
        const bool won =
            work.exec("select pg_try_advisory_lock(" + std::to_string(leader_key) + ")")[0][0]
                .as<bool>();
        asio::post(reactor_, [this, won] {
          if (won) {
            leading_ = true;
            waiting_told_ = false;
            meter_.set(Level::leader, 1);
            board_.report(Part::leadership, "");
            log_.info("leading");
            handlers_.on_leading();
            after(heartbeat_every, &Leadership::beat);
            return;
          }
          if (!waiting_told_) {
            waiting_told_ = true;
            log_.info("waiting_to_lead", {{"why", std::string{"another rollbackd leads"}}});
            board_.report(Part::leadership, "another rollbackd leads; this one waits to take over");
          }
          after(try_every, &Leadership::try_to_lead);
        });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, what = failure.what] {
          board_.report(Part::leadership, "cannot lead: " + what);
          after(try_every, &Leadership::try_to_lead);
        });
      });
}

void Leadership::beat() {
  session_.run(
      [this](pqxx::connection& connection) {
        pqxx::nontransaction{connection}.exec("select 1");
        asio::post(reactor_, [this] { after(heartbeat_every, &Leadership::beat); });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, what = failure.what] { lost(what); });
      });
}

void Leadership::lost(const std::string& why) {
  if (!leading_) {
    return;
  }
  leading_ = false;
  meter_.set(Level::leader, 0);
  log_.warning("leadership_lost", {{"why", why}});
  board_.report(Part::leadership, "leadership was lost: " + why);
  handlers_.on_lost();
  after(try_every, &Leadership::try_to_lead);
}

}  // namespace rollbackd::engine
