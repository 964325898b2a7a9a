#include "rules/deployments.hpp"

#include <algorithm>
#include <tuple>

#include "rules/invariant.hpp"

namespace rollbackd::rules {
namespace {

// The fields that decide where events go. A corrected version or commit moves none.
auto attribution_of(const Deployment& d) {
  const bool serves = d.status != DeploymentStatus::pending;
  const bool failed = d.status == DeploymentStatus::failed;
  return std::tuple{d.service, d.deployed_at, serves, failed,
                    failed ? d.completed_at : std::optional<Instant>{}};
}

}  // namespace

bool deployed_before(const Deployment& a, const Deployment& b) {
  return std::tie(a.deployed_at, a.row) < std::tie(b.deployed_at, b.row);
}

// A deleted row stays known until the next rebuild, and its number may be taken again: the id keeps
// the two apart.
bool Deployments::Before::operator()(const Deployment* a, const Deployment* b) const {
  return std::tie(a->deployed_at, a->row, a->id) < std::tie(b->deployed_at, b->row, b->id);
}

std::vector<Service> Deployments::put(const Deployment& deployment) {
  const auto known = by_id_.find(deployment.id);
  if (known == by_id_.end()) {
    const auto& added = by_id_.emplace(deployment.id, deployment).first->second;
    link(added);
    note_moves({deployment.service});
    return {deployment.service};
  }
  std::vector<Service> moved;
  if (attribution_of(known->second) != attribution_of(deployment)) {
    moved.push_back(deployment.service);
    if (known->second.service != deployment.service) {
      moved.push_back(known->second.service);
    }
  }
  // What we have done about it ourselves may not have reached the row yet.
  const Deployment before = known->second;
  unlink(known->second);
  known->second = deployment;
  known->second.seen |= before.seen;
  known->second.announced |= before.announced;
  known->second.rollback_dispatched |= before.rollback_dispatched;
  if (!deployment.utilisation_at_arrival) {
    known->second.utilisation_at_arrival = before.utilisation_at_arrival;
  }
  if (!deployment.previous_unhealthy) {
    known->second.previous_unhealthy = before.previous_unhealthy;
  }
  link(known->second);
  note_moves(moved);
  return moved;
}

void Deployments::note_moves(const std::vector<Service>& services) {
  for (const Service& service : services) {
    last_moves_[service] = ++moves_;
  }
}

std::uint64_t Deployments::last_move(const Service& service) const {
  const auto known = last_moves_.find(service);
  return known == last_moves_.end() ? 0 : known->second;
}

void Deployments::clear() {
  lines_.clear();
  begun_.clear();
  by_id_.clear();
  last_moves_.clear();
}

const Deployment* Deployments::find(const DeploymentId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

void Deployments::mark_rollback_dispatched(const DeploymentId& id, bool dispatched) {
  if (const auto found = by_id_.find(id); found != by_id_.end()) {
    found->second.rollback_dispatched = dispatched;
  }
}

void Deployments::mark_snapshot(const DeploymentId& id, bool serving,
                                std::optional<double> utilisation,
                                std::optional<bool> previous_unhealthy) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) {
    return;
  }
  (serving ? found->second.seen : found->second.announced) = true;
  if (serving && !found->second.utilisation_at_arrival) {
    found->second.utilisation_at_arrival = utilisation;
  }
  if (serving && !found->second.previous_unhealthy) {
    found->second.previous_unhealthy = previous_unhealthy;
  }
}

const Deployment* Deployments::at(const Service& service, Instant moment,
                                  const DeploymentId& without) const {
  return at(of(service), moment, without);
}

const Deployment* Deployments::at(const Line& line, Instant moment, const DeploymentId& without) {
  const auto later = std::upper_bound(
      line.begin(), line.end(), moment,
      [](Instant m, const Deployment* d) { return d->deployed_at && m < *d->deployed_at; });
  for (auto it = later; it != line.begin();) {
    --it;
    if (serves_at(**it, moment) && (*it)->id != without) {
      return *it;
    }
  }
  return nullptr;
}

const Deployment* Deployments::newest_at(Instant moment) const {
  for (auto it = begun_.upper_bound(moment); it != begun_.begin();) {
    --it;
    if (serves_at(**it, moment)) {
      return *it;
    }
  }
  return nullptr;
}

bool Deployments::others_deployed(const Service& service, Instant after, Instant until) const {
  for (auto it = begun_.upper_bound(until); it != begun_.begin();) {
    --it;
    if (*(*it)->deployed_at <= after) {
      return false;
    }
    if ((*it)->service != service) {
      return true;
    }
  }
  return false;
}

const Deployment* Deployments::target_of(const Deployment& bad) const {
  const auto line = lines_.find(bad.service);
  if (line == lines_.end()) {
    return nullptr;
  }
  for (auto it = line->second.rbegin(); it != line->second.rend(); ++it) {
    const Deployment& d = **it;
    const bool same = d.version == bad.version && d.git_commit == bad.git_commit;
    // A row without deployed_at is neither older nor newer than another.
    if (d.deployed_at && deployed_before(d, bad) && d.status == DeploymentStatus::success &&
        d.health_check_passed && !d.rollback_from && !same) {
      return &d;
    }
  }
  return nullptr;
}

const Deployment* Deployments::newer_failure(const Deployment& than, Instant since) const {
  for (const Deployment* d : of(than.service)) {
    if (d->row > than.row && d->status == DeploymentStatus::failed && !d->rollback_from &&
        d->completed_at && *d->completed_at > since) {
      return d;
    }
  }
  return nullptr;
}

const Deployment* Deployments::rolled_back_before(const Deployment& again) const {
  const Line& line = of(again.service);
  const auto found = std::find_if(line.rbegin(), line.rend(), [&](const Deployment* d) {
    return deployed_before(*d, again) && d->version == again.version &&
           d->git_commit == again.git_commit &&
           (d->status == DeploymentStatus::rolled_back || d->rollback_dispatched);
  });
  return found == line.rend() ? nullptr : *found;
}

const std::vector<const Deployment*>& Deployments::of(const Service& service) const {
  static const Line none;
  const auto line = lines_.find(service);
  return line == lines_.end() ? none : line->second;
}

std::vector<Service> Deployments::services() const {
  std::vector<Service> names;
  names.reserve(lines_.size());
  for (const auto& [service, line] : lines_) {
    names.push_back(service);
  }
  return names;
}

void Deployments::link(const Deployment& deployment) {
  Line& line = lines_[deployment.service];
  const auto place = std::lower_bound(
      line.begin(), line.end(), &deployment,
      [](const Deployment* a, const Deployment* b) { return deployed_before(*a, *b); });
  line.insert(place, &deployment);
  if (deployment.deployed_at && deployment.status != DeploymentStatus::pending) {
    begun_.insert(&deployment);
  }
}

void Deployments::unlink(const Deployment& deployment) {
  const auto line = lines_.find(deployment.service);
  INVARIANT(line != lines_.end());
  std::erase(line->second, &deployment);
  begun_.erase(&deployment);
}

}  // namespace rollbackd::rules
