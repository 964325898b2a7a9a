#pragma once

#include <string>
#include <vector>

#include "engine/settings.hpp"

namespace rollbackd::engine {

// What a daemon that runs takes over of a configuration that has changed.
struct Takeover {
  Settings settings;                       // that apply from now on
  std::vector<std::string> changed;        // keys that are taken over
  std::vector<std::string> needs_restart;  // keys that differ and keep their old values till then
};

// `started`: what the daemon was started with; `running`: what applies now.
//
// Connections, the address and the doorbell stay for the life of the process. So do the lengths of
// the windows, which would have to be counted first: where `wanted` asks for another one, all that
// decides about rollbacks stays as it is, because half of it would be somebody's mistake.
Takeover take_over(const Settings& started, const Settings& running, Settings wanted);

}  // namespace rollbackd::engine
