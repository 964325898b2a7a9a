#include "engine/store/dispatch_gate.hpp"

#include <memory>
#include <utility>

#include "engine/database/statement.hpp"

namespace rollbackd::engine {
namespace {

const Statement& gate_statement() {
  static const Statement statement{"gate", "select l.epoch, c.paused, c.paused_by, c.reason, " +
                                               microseconds_of("c.since") +
                                               " from ops.control c cross join ops.leader l"};
  return statement;
}

DispatchGate::Reading unreadable(std::string why) {
  return {DispatchGate::State::unreadable, {}, std::move(why)};
}

DispatchGate::Reading read_now(Connection& connection, std::int64_t epoch) {
  const Transaction work = begin_single(connection);
  const pqxx::result rows = run_statement(connection, *work, gate_statement());
  work->commit();
  if (rows.size() != 1) {
    return unreadable("ops.control and ops.leader have to have exactly one row each");
  }
  const pqxx::row row = rows[0];
  if (row[0].as<std::int64_t>() != epoch) {
    return {DispatchGate::State::not_leading, {}, {}};
  }
  if (!row[1].as<bool>()) {
    return {DispatchGate::State::open, {}, {}};
  }
  rules::Pause pause{true, row[2].as<std::string>(""), row[3].as<std::string>(""), {}};
  if (!row[4].is_null()) {
    pause.since = rules::Instant{rules::Duration{row[4].as<std::int64_t>()}};
  }
  return {DispatchGate::State::paused, std::move(pause), {}};
}

// One question; whatever comes first answers it.
struct Question {
  Question(asio::io_context& reactor, DispatchGate::OnRead on_read)
      : limit{reactor}, answer{std::move(on_read)} {}

  void give(const DispatchGate::Reading& reading) {
    if (const auto told = std::exchange(answer, nullptr)) {
      limit.cancel();
      told(reading);
    }
  }

  SteadyTime asked = steady_now();
  asio::steady_timer limit;
  DispatchGate::OnRead answer;
};

}  // namespace

DispatchGate::DispatchGate(asio::io_context& reactor, const ConnectionInfo& info, Log& log)
    : reactor_{reactor}, session_{info, {"gate", gate_limit}, log} {}

void DispatchGate::ask(std::int64_t epoch, OnRead on_read) {
  const auto question = std::make_shared<Question>(reactor_, std::move(on_read));
  question->limit.expires_after(gate_limit);
  question->limit.async_wait([this, question](const boost::system::error_code& error) {
    if (!error && question->answer) {
      session_.abandon_job();
      question->give(unreadable("the database did not say within 2 s whether it may go on"));
    }
  });
  session_.run(
      [this, question, epoch](Connection& connection) {
        const Reading reading = read_now(connection, epoch);
        asio::post(reactor_, [question, reading] {
          const bool is_old = steady_now() - question->asked > gate_limit;
          question->give(is_old ? unreadable("the answer of the database is too old") : reading);
        });
      },
      [this, question](const SessionFailure& failure) {
        asio::post(reactor_, [question, failure] { question->give(unreadable(failure.what)); });
      });
}

}  // namespace rollbackd::engine
