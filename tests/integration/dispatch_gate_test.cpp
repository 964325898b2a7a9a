#include "engine/store/dispatch_gate.hpp"

#include <doctest/doctest.h>

#include "tests/support/installed.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::tests {
namespace {

using engine::DispatchGate;
using engine::GateAnswer;
using Verdict = engine::GateAnswer::Verdict;

struct Gate : InstalledPostgres {
  GateAnswer ask(std::int64_t of) {
    std::vector<GateAnswer> answers;
    gate.lead(of);
    gate.ask([&](const GateAnswer& reading) { answers.push_back(reading); });
    CHECK(run_until(reactor, [&] { return !answers.empty(); }));
    CHECK(answers.size() == 1);
    return answers.at(0);
  }
  void run(const std::string& sql) const { rows(conninfo(), sql); }
  // Once its session is connected.
  void wait_until_open() {
    CHECK(run_until(reactor, [&] { return ask(epoch).verdict == Verdict::open; }));
  }

  engine::asio::io_context reactor;
  RecordingLog log;
  std::int64_t epoch = std::stoll(query(conninfo(), "select epoch from ops.leader"));
  DispatchGate gate{reactor, {conninfo("rollbackd"), {}}, log};
};

}  // namespace

TEST_CASE("the gate is open, or says who paused, or that another leads") {
  Gate f;
  f.wait_until_open();
  f.run("update ops.control set paused = true, paused_by = 'alice', reason = 'r', since = now()");
  const GateAnswer paused = f.ask(f.epoch);
  CHECK(paused.verdict == Verdict::paused);
  CHECK(paused.detail == "paused by alice: r");
  f.run("update ops.leader set epoch = epoch + 1");
  CHECK(f.ask(f.epoch).verdict == Verdict::not_leading);
  CHECK(f.ask(f.epoch + 1).verdict == Verdict::paused);
  f.run("update ops.control set paused = false");
  CHECK(f.ask(f.epoch + 1).verdict == Verdict::open);
}

TEST_CASE("a gate that cannot be read in time is told as such, once, and read again later") {
  Gate f;
  f.wait_until_open();
  {
    const auto blocking = connect(f.conninfo());
    pqxx::work locking{*blocking};
    locking.exec("lock table ops.control in access exclusive mode");
    const engine::SteadyTime begun = engine::steady_now();
    // When a timer of the same length comes, on a machine that may be busy.
    engine::SteadyTime timer_came = begun + DispatchGate::gate_limit;
    engine::asio::steady_timer timer{f.reactor, DispatchGate::gate_limit};
    timer.async_wait([&](const boost::system::error_code& error) {
      timer_came = error ? timer_came : engine::steady_now();
    });
    CHECK(f.ask(f.epoch).verdict == Verdict::unreadable);
    const engine::SteadyTime answered = engine::steady_now();
    timer.cancel();
    f.reactor.restart();
    f.reactor.poll();
    CHECK(answered < timer_came + rules::seconds{1});
  }
  f.wait_until_open();
  f.stop();
  const GateAnswer gone = f.ask(f.epoch);
  CHECK(gone.verdict == Verdict::unreadable);
  CHECK_FALSE(gone.detail.empty());
}

TEST_CASE("an answer that waited for this process is too old") {
  Gate f;
  f.wait_until_open();
  std::vector<GateAnswer> answers;
  f.gate.lead(f.epoch);
  f.gate.ask([&](const GateAnswer& reading) { answers.push_back(reading); });
  // The reactor does not run for so long, as if the process were stopped.
  query(f.conninfo(), "select pg_sleep(2.2)");
  CHECK(run_until(f.reactor, [&] { return !answers.empty(); }));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].verdict == Verdict::unreadable);
}

}  // namespace rollbackd::tests
