#include "rules/deployment.hpp"

#include "rules/names.hpp"

namespace rollbackd::rules {
namespace {

constexpr auto statuses = names_of<DeploymentStatus>({
    {DeploymentStatus::pending, "pending"},
    {DeploymentStatus::in_progress, "in_progress"},
    {DeploymentStatus::success, "success"},
    {DeploymentStatus::failed, "failed"},
    {DeploymentStatus::rolled_back, "rolled_back"},
});

}  // namespace

std::string_view name_of(DeploymentStatus status) { return statuses.name_of(status); }

std::optional<DeploymentStatus> deployment_status_named(std::string_view name) {
  return statuses.named(name);
}

bool serves_at(const Deployment& deployment, Instant moment) {
  if (!deployment.deployed_at || *deployment.deployed_at > moment ||
      deployment.status == DeploymentStatus::pending) {
    return false;
  }
  if (deployment.status != DeploymentStatus::failed) {
    return true;
  }
  return deployment.completed_at && *deployment.completed_at > moment;
}

}  // namespace rollbackd::rules
