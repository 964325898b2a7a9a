#pragma once

#include <string>

#include "engine/settings.hpp"

namespace rollbackd::engine {

// The settings as they count, defaults included, as YAML that read_settings() takes; of an
// environment or a service, what differs. Secrets and tokens are comments that say that they are
// set. `conninfo`: what may be shown of it.
std::string settings_yaml(const Settings& settings, const std::string& conninfo);

}  // namespace rollbackd::engine
