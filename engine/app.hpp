#pragma once

#include <memory>

#include "engine/board.hpp"
#include "engine/ports.hpp"
#include "engine/result.hpp"
#include "engine/settings.hpp"
#include "engine/telemetry/metrics.hpp"

namespace rollbackd::engine {

// The daemon, put together: every part, who knows whom, and the order of start and stop. Owns the
// reactor, whose thread is the one that calls run().
class App {
 public:
  struct Telemetry {
    Log& log;
    Metrics& metrics;
    Observer& observer;
    StatusBoard& board;
  };

  App(const Settings& settings, const Telemetry& telemetry);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Serves until SIGTERM or SIGINT; starts nothing new then and waits for a running command. Fails
  // when it cannot listen.
  Status run();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rollbackd::engine
