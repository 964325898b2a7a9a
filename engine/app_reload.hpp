#pragma once

#include <functional>

#include "engine/asio.hpp"

#include "engine/ports.hpp"
#include "engine/reload.hpp"
#include "engine/settings.hpp"
#include "engine/telemetry/life_signs.hpp"

namespace rollbackd::engine {

// SIGHUP: reads the configuration anew, hands over what can change, and says what cannot. A file
// with mistakes changes nothing. Reactor thread only.
class Reloader {
 public:
  struct Handlers {
    std::function<LoadedSettings()> read;
    std::function<void(const Settings&)> apply;  // takes over what take_over() lets through
    std::function<void(bool successful)> ended;
    std::function<std::string()> status;  // one line for the service manager
  };

  Reloader(asio::io_context& reactor, Settings started, Handlers handlers, Log& log,
           LifeSigns& life_signs);

  void start();
  // Goes on with what there is.
  void stop() { hangups_.cancel(); }

 private:
  void reload();
  bool reload_now();

  Settings started_;
  Settings running_;
  Handlers handlers_;
  Log& log_;
  LifeSigns& life_signs_;
  asio::signal_set hangups_;
};

}  // namespace rollbackd::engine
