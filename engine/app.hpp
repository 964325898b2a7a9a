#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/asio.hpp"
#include "engine/ports.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// The daemon, put together: every part, who knows whom, and the order of start and stop. Owns the
// reactor, whose thread is the one that calls run().
class App {
 public:
  struct Telemetry {
    Log& log;
    Meter& meter;
    Observer& observer;
    Board& board;
  };

  App(const Settings& settings, const Telemetry& telemetry);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Serves until SIGTERM or SIGINT; starts nothing new then and waits for a running command.
  void run();

  [[nodiscard]] const View& view() const;
  [[nodiscard]] const Clock& clock() const;
  [[nodiscard]] asio::io_context& reactor();
  // Why the feed polls although nothing is broken; empty: it listens.
  [[nodiscard]] std::string polls_by_design() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rollbackd::engine
