#pragma once

#include <string>

#include "rules/rollback.hpp"
#include "rules/world.hpp"

namespace rollbackd::rules {

enum class Health { wait, ask_health_url, healthy, unhealthy };

// Step 7: whether the replacement is well, from its own events alone.
struct Verification {
  Health health = Health::wait;
  std::string error;  // of unhealthy
  Fields findings;    // the step's metadata, with `evidence`: events or silence
};

// Looked at with every second of complete windows. `health_url`: its answer about this moment;
// nothing: it has not been asked, or has not answered yet.
Verification verify(const World& world, const Rollback& rollback, std::optional<bool> health_url,
                    Instant now);

}  // namespace rollbackd::rules
