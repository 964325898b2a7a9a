#include "engine/telemetry/life_signs.hpp"

#include <string>

#include <doctest/doctest.h>

#include "tests/support/notify_socket.hpp"

namespace rollbackd::engine {
namespace {

using namespace std::chrono_literals;

// Turns of a loop, at moments of the test's choosing.
struct Loop {
  // What the manager heard of one turn.
  std::string turn(std::chrono::milliseconds at, bool progresses, std::string status = "well") {
    signs.turn(SteadyTime{1h + at}, progresses, [&status] { return status; });
    std::string heard;
    for (std::string next = manager.heard(); !next.empty(); next = manager.heard()) {
      heard += (heard.empty() ? "" : " | ") + next;
    }
    return heard;
  }

  tests::NotifySocket manager{true};
  LifeSigns signs{Supervisor{manager.name(), std::chrono::seconds{30}}};
};

}  // namespace

TEST_CASE(
    "life signs: the watchdog is fed twice within its interval, by a loop that gets on only") {
  Loop loop;
  loop.signs.ready("well");
  CHECK(loop.manager.heard() == "READY=1\nSTATUS=well");
  CHECK(loop.turn(0s, true) == "WATCHDOG=1");
  CHECK(loop.turn(14s, true).empty());
  CHECK(loop.turn(15s, true) == "WATCHDOG=1");
  CHECK(loop.turn(60s, false).empty());
  CHECK(loop.turn(61s, true) == "WATCHDOG=1");
}

TEST_CASE("life signs: the status is told when it is another one, at most once a second") {
  Loop loop;
  loop.signs.ready("well");
  CHECK(loop.manager.heard() == "READY=1\nSTATUS=well");
  loop.turn(0s, true);
  CHECK(loop.turn(500ms, true, "not ready: a\nb").empty());
  CHECK(loop.turn(1s, true, "not ready: a\nb") == "STATUS=not ready: a b");
  CHECK(loop.turn(2s, true, "not ready: a\nb").empty());
  CHECK(loop.turn(3s, true, "well") == "STATUS=well");
}

TEST_CASE("life signs: a stop that gets on asks for time, again and again; one that is stuck not") {
  Loop loop;
  loop.signs.stopping(SteadyTime{1h}, "stopping");
  CHECK(loop.manager.heard() == "STOPPING=1\nSTATUS=stopping");
  CHECK(loop.manager.heard() == "EXTEND_TIMEOUT_USEC=30000000");
  CHECK(loop.turn(1s, true) == "WATCHDOG=1");
  CHECK(loop.turn(10s, true) == "EXTEND_TIMEOUT_USEC=30000000");
  CHECK(loop.turn(40s, false).empty());
}

}  // namespace rollbackd::engine
