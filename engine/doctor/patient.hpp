#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/database/connection.hpp"
#include "engine/database/conninfo.hpp"
#include "engine/outgoing/http_client.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// What is examined. Shared with the threads of checks that did not come to their end.
struct Patient {
  Settings settings;
  std::filesystem::path file;  // of the configuration; empty: none was given
  ConnectionInfo database;
  // The connection that the checks of the database use, one after the other; null: there is none.
  std::shared_ptr<Connection> connection;
};

// How one group of services deploys: everybody, or an environment or service with settings of its
// own.
struct Deploying {
  std::string whose;  // "every service", "production", "production/api"
  const rules::Policy& policy;
  const ExecutionSettings& execution;
};

std::vector<Deploying> deploying(const Settings& settings);

// One request and its answer. Blocks.
HttpOutcome ask_and_wait(HttpRequest request);

}  // namespace rollbackd::engine
