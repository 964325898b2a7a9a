#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rules/ids.hpp"
#include "rules/time.hpp"

namespace rollbackd::rules {

// ops.deployments.status, in its words.
enum class DeploymentStatus { pending, in_progress, success, failed, rolled_back };

std::string_view name_of(DeploymentStatus status);
std::optional<DeploymentStatus> deployment_status_named(std::string_view name);

// One row of ops.deployments, as far as decisions need it.
struct Deployment {
  std::int64_t row = 0;  // its bigserial id: the order of rows with equal deployed_at
  DeploymentId id;
  Service service;
  std::string version;
  std::string git_commit;
  DeploymentStatus status = DeploymentStatus::pending;
  std::optional<Instant> deployed_at;
  std::optional<Instant> completed_at;
  std::optional<DeploymentId> rollback_from;  // set: this is a replacement
  bool health_check_passed = false;

  // Of our own records about it.
  bool seen = false;                             // its post_deployment snapshot exists
  bool announced = false;                        // its pre_deployment snapshot exists
  bool rollback_dispatched = false;              // a rollback of it got as far as its dispatch
  std::optional<double> utilisation_at_arrival;  // percent, from its post_deployment snapshot
  // Whether the one before it fired in its last minute; from the same snapshot.
  std::optional<bool> previous_unhealthy{};

  friend bool operator==(const Deployment&, const Deployment&) = default;
};

// Whether it is judged when it is current: declared good or not, but neither waiting nor given up.
inline bool is_watched(const Deployment& deployment) {
  return deployment.status == DeploymentStatus::in_progress ||
         deployment.status == DeploymentStatus::success;
}

// Whether events of a moment can be attributed to it (DESIGN.md section 3, Attribution).
bool serves_at(const Deployment& deployment, Instant moment);

}  // namespace rollbackd::rules
