#pragma once

#include <functional>
#include <memory>

#include "engine/board.hpp"
#include "engine/ports.hpp"
#include "engine/result.hpp"
#include "engine/settings.hpp"
#include "engine/telemetry/log.hpp"
#include "engine/telemetry/metrics.hpp"

namespace rollbackd::engine {

// The daemon, put together: every part, who knows whom, and the order of start and stop. Owns the
// reactor, whose thread is the one that calls run().
class App {
 public:
  struct Telemetry {
    StructuredLog& log;
    Metrics& metrics;
    Observer& observer;
    StatusBoard& board;
  };

  // `read_again`: the settings as the file has them by then, for SIGHUP.
  App(const Settings& settings, const Telemetry& telemetry,
      std::function<LoadedSettings()> read_again);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Serves until SIGTERM or SIGINT; starts nothing new then and waits for a running command. Fails
  // when it cannot listen. SIGHUP takes over what has changed in the settings.
  Status run();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rollbackd::engine
