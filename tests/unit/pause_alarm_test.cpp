#include "engine/telemetry/pause_alarm.hpp"

#include <doctest/doctest.h>

#include "tests/support/recorders.hpp"

namespace rollbackd::engine {
namespace {

SteadyTime at(int seconds) { return SteadyTime{} + rules::seconds{seconds}; }

rules::ControlRead paused_by(const std::string& who) {
  rules::ControlRead control;
  control.pause = {true, who, "release freeze", {}};
  return control;
}

TEST_CASE("pause alarm: a pause is told at once, every minute, and when it ends") {
  tests::RecordingLog log;
  tests::RecordingMeter meter;
  PauseAlarm alarm{log, meter};
  alarm.see({}, at(0));
  CHECK(log.count("paused") == 0);
  CHECK(meter.level(Level::paused) == 0);
  alarm.see(paused_by("alice"), at(1));
  alarm.see(paused_by("alice"), at(30));
  CHECK(log.count("paused") == 1);
  CHECK(meter.level(Level::paused) == 1);
  alarm.see(paused_by("alice"), at(61));
  CHECK(log.count("paused") == 2);
  alarm.see({}, at(62));
  CHECK(log.count("resumed") == 1);
  CHECK(meter.level(Level::paused) == 0);
}

TEST_CASE("pause alarm: each open breaker is told with how to close it") {
  tests::RecordingLog log;
  tests::RecordingMeter meter;
  PauseAlarm alarm{log, meter};
  rules::ControlRead control;
  control.breakers = {{"production", "5 in an hour", {}}, {"staging", "5 in an hour", {}}};
  alarm.see(control, at(0));
  CHECK(log.count("breaker_open") == 2);
  CHECK(meter.level(Level::breakers_open) == 2);
  control.breakers.pop_back();
  alarm.see(control, at(1));
  CHECK(log.count("breaker_open") == 3);
}

}  // namespace
}  // namespace rollbackd::engine
