#include "engine/app_reload.hpp"

#include <csignal>
#include <utility>

#include "engine/clock.hpp"

namespace rollbackd::engine {
namespace {

std::string joined(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) {
    text += (text.empty() ? "" : ", ") + key;
  }
  return text;
}

}  // namespace

Reloader::Reloader(asio::io_context& reactor, Settings started, Handlers handlers, Log& log,
                   LifeSigns& life_signs)
    : started_{std::move(started)},
      running_{started_},
      handlers_{std::move(handlers)},
      log_{log},
      life_signs_{life_signs},
      hangups_{reactor, SIGHUP} {}

void Reloader::start() {
  hangups_.async_wait([this](const boost::system::error_code& error, int /*signal*/) {
    if (!error) {
      reload();
      start();
    }
  });
}

void Reloader::reload() {
  life_signs_.reloading(steady_now());
  handlers_.ended(reload_now());
  life_signs_.ready(handlers_.status());
}

bool Reloader::reload_now() {
  LoadedSettings loaded = handlers_.read();
  if (const auto* problems = std::get_if<std::vector<SettingsProblem>>(&loaded)) {
    for (const SettingsProblem& problem : *problems) {
      log_.error("config_not_reloaded",
                 {{"line", std::int64_t{problem.line}},
                  {"column", std::int64_t{problem.column}},
                  {"what", problem.text},
                  {"remedy", std::string{"mend the file and reload; the old configuration is "
                                         "in force"}}});
    }
    return false;
  }
  Takeover taken = take_over(started_, running_, std::get<Settings>(std::move(loaded)));
  if (!taken.needs_restart.empty()) {
    log_.warning("config_needs_restart", {{"keys", joined(taken.needs_restart)}});
  }
  running_ = std::move(taken.settings);
  handlers_.apply(running_);
  log_.info("config_reloaded",
            {{"changed", taken.changed.empty() ? std::string{"nothing"} : joined(taken.changed)}});
  return true;
}

}  // namespace rollbackd::engine
