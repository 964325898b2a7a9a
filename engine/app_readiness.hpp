#pragma once

#include <optional>
#include <string>

#include "engine/board.hpp"
#include "engine/clock.hpp"
#include "engine/feed/feed.hpp"
#include "engine/http/route.hpp"
#include "engine/loop.hpp"
#include "engine/store/control_reader.hpp"
#include "engine/store/leadership.hpp"
#include "engine/telemetry/metrics.hpp"

namespace rollbackd::engine {

// The parts that say how the daemon is.
struct Witnesses {
  const Leadership& leadership;
  const ControlReader& control;
  const Feed& feed;
  const StatusBoard& board;
  const Loop& loop;
  const DatabaseTime& time;
};

// What /readyz answers.
Readiness readiness_of(const Witnesses& of);

// The same as metrics tell it.
Metrics::Health health_of(const Readiness& now);

// The same in one line for people, as `systemctl status` shows it.
std::string status_of(const Witnesses& of);

// Who leads instead of this daemon, as it calls itself, empty where nobody is known to; nothing:
// this one leads.
std::optional<std::string> other_leader(const Witnesses& of);

// That the rules are woken when they ask for it: else nothing is judged any more.
bool progresses(const Witnesses& of);

}  // namespace rollbackd::engine
