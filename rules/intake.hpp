#pragma once

#include <optional>
#include <set>
#include <vector>

#include "rules/action.hpp"
#include "rules/output.hpp"
#include "rules/world.hpp"

namespace rollbackd::rules {

// What taking in a batch led to.
struct Intake {
  std::set<Service> touched;           // have new events or rows, and complete windows
  std::set<DeploymentId> deployments;  // new or changed rows
  std::vector<Action> rebuilds;        // services whose events can have moved
  bool second_passed = false;
  std::uint64_t unattributed = 0;  // events that belong to nobody yet
  std::optional<AuditFinding> audit;
};

// Takes in all of a batch: rows first, then events, then time. Nothing is judged here.
Intake take_in(World& world, const FeedBatch& batch);

// Replaces all that is known of deployments and windows. They are complete afterwards.
Intake take_in(World& world, const FeedRebuilt& rebuilt);

// Replaces the service's windows by the count and what came after it. An answer to a question that
// has been asked anew since changes nothing.
Intake take_in(World& world, const WindowsRecounted& recounted);

// Holds memory against the count. Services that differ are to be counted anew.
Intake take_in(World& world, const AuditCounted& counted);

}  // namespace rollbackd::rules
