#include "engine/store/dispatch_gate.hpp"

#include <doctest/doctest.h>

#include "tests/support/installed.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::tests {
namespace {

using engine::DispatchGate;
using State = DispatchGate::State;

struct Gate : InstalledPostgres {
  DispatchGate::Reading ask(std::int64_t of) {
    std::vector<DispatchGate::Reading> answers;
    gate.ask(of, [&](const DispatchGate::Reading& reading) { answers.push_back(reading); });
    CHECK(run_until(reactor, [&] { return !answers.empty(); }));
    CHECK(answers.size() == 1);
    return answers.at(0);
  }
  void run(const std::string& sql) const { rows(conninfo(), sql); }
  // Once its session is connected.
  void wait_until_open() {
    CHECK(run_until(reactor, [&] { return ask(epoch).state == State::open; }));
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
  const DispatchGate::Reading paused = f.ask(f.epoch);
  CHECK(paused.state == State::paused);
  CHECK(paused.pause.by == "alice");
  CHECK(paused.pause.since.has_value());
  f.run("update ops.leader set epoch = epoch + 1");
  CHECK(f.ask(f.epoch).state == State::not_leading);
  CHECK(f.ask(f.epoch + 1).state == State::paused);
  f.run("update ops.control set paused = false");
  CHECK(f.ask(f.epoch + 1).state == State::open);
}

TEST_CASE("a gate that cannot be read in time is told as such, once, and read again later") {
  Gate f;
  f.wait_until_open();
  {
    const auto blocking = connect(f.conninfo());
    pqxx::work locking{*blocking};
    locking.exec("lock table ops.control in access exclusive mode");
    const engine::SteadyTime begun = engine::steady_now();
    CHECK(f.ask(f.epoch).state == State::unreadable);
    CHECK(engine::steady_now() - begun < DispatchGate::gate_limit + rules::seconds{1});
  }
  f.wait_until_open();
  f.stop();
  const DispatchGate::Reading gone = f.ask(f.epoch);
  CHECK(gone.state == State::unreadable);
  CHECK_FALSE(gone.why.empty());
}

TEST_CASE("an answer that waited for this process is too old") {
  Gate f;
  f.wait_until_open();
  std::vector<DispatchGate::Reading> answers;
  f.gate.ask(f.epoch, [&](const DispatchGate::Reading& reading) { answers.push_back(reading); });
  // The reactor does not run for so long, as if the process were stopped.
  query(f.conninfo(), "select pg_sleep(2.2)");
  CHECK(run_until(f.reactor, [&] { return !answers.empty(); }));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].state == State::unreadable);
}

}  // namespace rollbackd::tests
