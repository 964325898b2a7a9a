#include "engine/telemetry/supervisor.hpp"

#include <cstdlib>
#include <string>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/notify_socket.hpp"

namespace rollbackd::engine {
namespace {

TEST_CASE("supervisor: every message arrives, on a path and on an abstract socket") {
  for (const bool abstract : {false, true}) {
    const tests::NotifySocket manager{abstract};
    const Supervisor supervisor{manager.name()};
    CHECK(supervisor.is_there());
    supervisor.ready("leading");
    CHECK(manager.heard() == "READY=1\nSTATUS=leading");
    supervisor.status("watching 3 services");
    CHECK(manager.heard() == "STATUS=watching 3 services");
    supervisor.watchdog();
    CHECK(manager.heard() == "WATCHDOG=1");
    supervisor.stopping("waiting for a command");
    CHECK(manager.heard() == "STOPPING=1\nSTATUS=waiting for a command");
    supervisor.reloading(SteadyTime{std::chrono::seconds{5}});
    CHECK(manager.heard() == "RELOADING=1\nMONOTONIC_USEC=5000000");
    supervisor.extend(std::chrono::seconds{30});
    CHECK(manager.heard() == "EXTEND_TIMEOUT_USEC=30000000");
  }
}

TEST_CASE("supervisor: a text cannot become an assignment of its own") {
  const tests::NotifySocket manager{true};
  const Supervisor supervisor{manager.name()};
  supervisor.status("a\nMAINPID=1\r\tb");
  CHECK(manager.heard() == "STATUS=a MAINPID=1  b");
}

TEST_CASE("supervisor: without a manager nothing happens") {
  Supervisor{""}.ready("x");
  CHECK_FALSE(Supervisor{""}.is_there());
  Supervisor{"/nowhere/at/all"}.ready("x");
  Supervisor{"relative"}.ready("x");
  Supervisor{"/" + std::string(200, 'x')}.ready("x");
}

TEST_CASE("supervisor: a manager that does not read costs messages, not time") {
  const tests::NotifySocket manager{true};
  const Supervisor supervisor{manager.name()};
  constexpr int sent = 10'000;
  for (int i = 0; i < sent; ++i) {
    supervisor.status("x");
  }
  int heard = 0;
  while (!manager.heard().empty()) {
    ++heard;
  }
  CHECK(heard > 0);
  CHECK(heard < sent);
}

TEST_CASE("supervisor: the environment says where and how often") {
  // One thread has the environment here. NOLINTBEGIN(concurrency-mt-unsafe)
  const tests::NotifySocket manager{true};
  setenv("NOTIFY_SOCKET", manager.name().c_str(), 1);
  setenv("WATCHDOG_USEC", "30000000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  CHECK(Supervisor::of_environment().watchdog_interval() == std::chrono::seconds{30});
  Supervisor::of_environment().ready("up");
  CHECK(manager.heard() == "READY=1\nSTATUS=up");
  setenv("WATCHDOG_PID", "1", 1);
  CHECK_FALSE(Supervisor::of_environment().watchdog_interval());
  unsetenv("WATCHDOG_PID");
  CHECK(Supervisor::of_environment().watchdog_interval());
  for (const char* wrong : {"", "0", "-1", "30s", "99999999999999999999999"}) {
    setenv("WATCHDOG_USEC", wrong, 1);
    CHECK_FALSE(Supervisor::of_environment().watchdog_interval());
  }
  unsetenv("WATCHDOG_USEC");
  unsetenv("NOTIFY_SOCKET");
  CHECK_FALSE(Supervisor::of_environment().is_there());
  // NOLINTEND(concurrency-mt-unsafe)
}

}  // namespace
}  // namespace rollbackd::engine
