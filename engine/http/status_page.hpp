#pragma once

#include <string>
#include <vector>

#include "engine/http/route.hpp"
#include "rules/view.hpp"

namespace rollbackd::engine {

// What the status page shows. It asks for no token, so this is what /metrics and /readyz tell, and
// no more: not who paused, nor why.
struct StatusFacts {
  // More are only counted.
  static constexpr std::size_t services_max = 200;

  Readiness readiness;
  bool paused = false;
  std::size_t breakers_open = 0;
  std::size_t active_rollbacks = 0;
  bool has_windows = false;
  bool is_complete = false;
  rules::Second as_of = 0;
  std::optional<double> connection_utilisation;  // percent
  std::vector<rules::ServiceView> services;
};

StatusFacts status_facts(const ApiSources& sources);

// The whole page. Names come from whoever writes deployments: they are text and nothing else.
std::string status_page(const StatusFacts& facts);

// The Content-Security-Policy under which it works: its own style and script, and nothing else.
const std::string& status_page_policy();

}  // namespace rollbackd::engine
