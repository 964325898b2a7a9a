#include "engine/store/dispatch_gate.hpp"

#include <memory>
#include <utility>

#include "engine/database/statement.hpp"

namespace rollbackd::engine {
namespace {

const Statement& gate_statement() {
  static const Statement statement{"gate",
                                   "select l.epoch, c.paused, c.paused_by, c.reason"
                                   " from ops.control c cross join ops.leader l"};
  return statement;
}

GateAnswer unreadable(std::string why) { return {GateAnswer::Verdict::unreadable, std::move(why)}; }

GateAnswer read_now(Connection& connection, std::int64_t epoch) {
  const Transaction work = begin_single(connection);
  const pqxx::result rows = run_statement(connection, *work, gate_statement());
  work->commit();
  if (rows.size() != 1) {
    return unreadable("ops.control and ops.leader have to have exactly one row each");
  }
  const pqxx::row row = rows[0];
  if (row[0].as<std::int64_t>() != epoch) {
    return {GateAnswer::Verdict::not_leading, "another rollbackd leads"};
  }
  if (!row[1].as<bool>()) {
    return {GateAnswer::Verdict::open, {}};
  }
  return {GateAnswer::Verdict::paused, "paused by " + row[2].as<std::string>("nobody named") +
                                           ": " + row[3].as<std::string>("no reason given")};
}

// One question; whatever comes first answers it.
struct Question {
  Question(asio::io_context& reactor, Gate::OnAnswer on_answer)
      : limit{reactor}, answer{std::move(on_answer)} {}

  void give(const GateAnswer& given) {
    if (const auto told = std::exchange(answer, nullptr)) {
      limit.cancel();
      told(given);
    }
  }

  SteadyTime asked = steady_now();
  asio::steady_timer limit;
  Gate::OnAnswer answer;
};

}  // namespace

DispatchGate::DispatchGate(asio::io_context& reactor, const ConnectionInfo& info, Log& log)
    : reactor_{reactor}, session_{info, {"gate", gate_limit}, log} {}

void DispatchGate::ask(OnAnswer on_answer) {
  const auto question = std::make_shared<Question>(reactor_, std::move(on_answer));
  question->limit.expires_after(gate_limit);
  question->limit.async_wait([this, question](const boost::system::error_code& error) {
    if (!error && question->answer) {
      session_.abandon_job();
      question->give(unreadable("the database did not say within 2 s whether it may go on"));
    }
  });
  session_.run(
      [this, question, epoch = epoch_](Connection& connection) {
        const GateAnswer reading = read_now(connection, epoch);
        asio::post(reactor_, [question, reading] {
          GateAnswer answer = reading;
          answer.until = question->asked + gate_limit;
          const bool is_old = steady_now() > answer.until;
          question->give(is_old ? unreadable("the answer of the database is too old") : answer);
        });
      },
      [this, question](const SessionFailure& failure) {
        asio::post(reactor_, [question, failure] { question->give(unreadable(failure.what)); });
      });
}

}  // namespace rollbackd::engine
