#include "engine/telemetry/pause_alarm.hpp"

#include "engine/time_text.hpp"

namespace rollbackd::engine {

void PauseAlarm::see(const rules::ControlRead& control, SteadyTime now) {
  const bool paused = control.pause.on;
  const std::size_t breakers = control.breakers.size();
  meter_.set(Level::paused, paused ? 1 : 0);
  meter_.set(Level::paused_since_timestamp_seconds,
             paused && control.pause.since
                 ? rules::in_seconds(control.pause.since->time_since_epoch())
                 : 0);
  meter_.set(Level::breakers_open, static_cast<double>(breakers));
  if (paused_ && !paused) {
    log_.warning("resumed");
  }
  const bool is_news = paused != paused_ || breakers != breakers_;
  paused_ = paused;
  breakers_ = breakers;
  if (!paused && breakers == 0) {
    told_.reset();
    return;
  }
  if (!is_news && told_ && now - *told_ < again_every) {
    return;
  }
  told_ = now;
  if (paused) {
    log_.warning("paused", {{"by", control.pause.by},
                            {"reason", control.pause.reason},
                            {"since", control.pause.since ? instant_text(*control.pause.since)
                                                          : std::string{"unknown"}},
                            {"remedy", std::string{"rollbackctl resume, or: update ops.control set "
                                                   "paused = false"}}});
  }
  for (const rules::Breaker& breaker : control.breakers) {
    log_.warning("breaker_open",
                 {{"environment", breaker.environment},
                  {"reason", breaker.reason},
                  {"remedy", "rollbackctl resume --breaker " + breaker.environment}});
  }
}

}  // namespace rollbackd::engine
