// The part of the inspector that looks at what became of things.

#include <algorithm>

#include "tests/sim/inspector.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::DeploymentStatus;
using rules::Rollback;
using rules::RollbackStatus;

// A rollback that has to come does so within this long, when nothing is broken.
constexpr rules::Duration promptly = rules::seconds{15};

std::uint64_t count_of(const std::map<rules::DeploymentId, std::uint64_t>& counts,
                       const rules::DeploymentId& id) {
  const auto found = counts.find(id);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

void Inspector::look_at_end_of(const Rollback& rollback) {
  const Watched& watched = watched_[rollback.id];
  const std::string name = "the rollback of " + name_of_row(rollback.deployment);
  for (const rules::Step& step : rollback.steps) {
    if (step.status == rules::StepStatus::pending ||
        step.status == rules::StepStatus::in_progress) {
      find(name + " is over and one of its steps is not");
    }
  }
  if (rollback.step(rules::StepName::record_result).status != rules::StepStatus::success) {
    find(name + " ended without record_result");
  }
  if (!rollback.completed_at || *rollback.completed_at < rollback.decided_at) {
    find(name + " ended before it began");
  }
  const bool only_asked = rollback.asked && !rollback.approved;
  if (watched.initiated != (only_asked ? 0 : 1) || watched.ended != 1 ||
      watched.proposed != (rollback.asked ? 1 : 0)) {
    find(name + " had " + std::to_string(watched.initiated) + " alerts of its beginning and " +
         std::to_string(watched.ended) + " of its end");
  }
  if (!rollback.claimed_at && watched.dispatches != 0) {
    find(name + " was dispatched without a claim");
  }
  if (rollback.claimed_at && !watched.marked) {
    find(name + " was claimed and its row never marked");
  }
  if (watched.marked) {
    look_at_rows_of(rollback, watched);
  }
}

// Either it was rolled back and the replacement serves, or everything is as it was.
void Inspector::look_at_rows_of(const Rollback& rollback, const Watched& watched) {
  const Deployment& bad = world_.deployments().at(rollback.deployment);
  const auto found = world_.deployments().find(rollback.replacement);
  if (found == world_.deployments().end()) {
    find("the rollback of " + name_of_row(rollback.deployment) + " has no replacement");
    return;
  }
  const Deployment& replacement = found->second;
  const bool serves = rollback.serving_from.has_value();
  const std::string name = "after the rollback of " + name_of_row(rollback.deployment) + ", " +
                           std::string{rules::name_of(rollback.status)} + ", ";
  if (serves != (rollback.status == RollbackStatus::success ||
                 rollback.ended_by == rules::Reason::still_unhealthy ||
                 (rollback.status == RollbackStatus::aborted && rollback.claimed_at))) {
    find(name + "its end does not fit whether the replacement serves");
  }
  if (serves) {
    if (bad.status != DeploymentStatus::rolled_back || bad.health_check_passed) {
      find(name + "the bad row is not rolled_back");
    }
    if (replacement.status != DeploymentStatus::success ||
        replacement.deployed_at != rollback.serving_from) {
      find(name + "the replacement does not serve");
    }
    return;
  }
  if (bad.status != watched.old_status ||
      bad.health_check_passed != watched.old_health_check_passed) {
    find(name + "the bad row does not have its status back");
  }
  if (replacement.status != DeploymentStatus::failed) {
    find(name + "the replacement is not failed");
  }
}

void Inspector::look_at_counts() {
  const rules::Second t = world_.loop().as_of();
  const auto minute = world_.database().recount(t, 60);
  const auto five = world_.database().recount(t, 300);
  for (const auto& [id, row] : world_.deployments()) {
    const auto view = world_.loop().check(id);
    if (!view) {
      find(name_of_row(id) + " is not known");
    } else if (view->recent_errors != count_of(five, id) ||
               view->error_rate_per_minute != static_cast<double>(count_of(minute, id)) ||
               view->healthy != (count_of(five, id) < 5)) {
      find("of " + name_of_row(id) + " memory has " + std::to_string(view->recent_errors) +
           " events in five minutes, the table " + std::to_string(count_of(five, id)));
    }
  }
  look_at_neighbours(minute, five);
  look_at_neglect(minute, five);
}

// A service whose neighbours are as bad, by counting all of them.
void Inspector::look_at_neighbours(const std::map<rules::DeploymentId, std::uint64_t>& minute,
                                   const std::map<rules::DeploymentId, std::uint64_t>& five) {
  for (const auto& [id, row] : world_.deployments()) {
    services_.insert(row.service);
  }
  std::set<rules::Service> serving;
  std::set<rules::Service> bad;
  for (const rules::Service& service : services_) {
    const Deployment* current = world_.database().at(service, world_.time());
    if (current == nullptr) {
      continue;
    }
    serving.insert(service);
    const Rollback* active = world_.database().active_of(service);
    const bool plain = policies_.of(service).triggers == rules::default_triggers();
    if ((active != nullptr && active->status == RollbackStatus::in_progress) ||
        (plain && (count_of(minute, current->id) > 5 || count_of(five, current->id) > 50))) {
      bad.insert(service);
    }
  }
  for (const rules::Service& service : services_) {
    const auto neighbours = [&](const std::set<rules::Service>& some) {
      return std::count_if(some.begin(), some.end(), [&](const rules::Service& other) {
        return other != service && other.environment == service.environment;
      });
    };
    if (neighbours(bad) >= 3 && 2 * neighbours(bad) >= neighbours(serving)) {
      others_bad_since_.emplace(service, world_.time());
    } else {
      others_bad_since_.erase(service);
    }
  }
}

// Whether the one before had anything like a trigger's worth of events: more than has to be.
bool Inspector::was_bad_before(const Deployment& current) const {
  const Deployment* before =
      world_.database().at(current.service, *current.deployed_at - rules::Duration{1});
  const auto is_bad = [&](rules::Second window, std::uint64_t above) {
    for (rules::Second back = 0; back <= 60; back += 10) {
      const rules::Second t = rules::second_of(*current.deployed_at) - back;
      if (count_of(world_.database().recount(t, window + 10), before->id) > above) {
        return true;
      }
    }
    return false;
  };
  return before != nullptr && (is_bad(60, 5) || is_bad(300, 50));
}

bool Inspector::meets_migrations(const Deployment& current) const {
  const Deployment* target = world_.database().target_of(current);
  const auto& all = world_.database().migrations();
  return std::any_of(all.begin(), all.end(), [&](const rules::Migration& migration) {
    const auto own = world_.deployments().find(*migration.deployment);
    const bool ours = own != world_.deployments().end() && own->second.service == current.service;
    return ours &&
           (migration.revert_failed ||
            (target != nullptr && own->second.row != target->row &&
             own->second.deployed_at >= target->deployed_at && !migration.backward_compatible));
  });
}

// Whether anything that a person can see in the tables makes an automatic rollback wait.
bool Inspector::is_held(const Deployment& current) const {
  const rules::Instant now = world_.time();
  const rules::Policy& policy = policies_.of(current.service);
  const auto& breakers = world_.database().breakers();
  const bool is_open =
      std::any_of(breakers.begin(), breakers.end(), [&](const rules::Breaker& breaker) {
        return breaker.environment == current.service.environment;
      });
  if (policy.mode != rules::Mode::automatic || now - *current.deployed_at > policy.max_age ||
      is_open || world_.database().pause().on || others_bad_since_.contains(current.service) ||
      other_rollbacks(current.service, {}) >= static_cast<std::size_t>(policy.max_per_hour) ||
      meets_migrations(current) || was_bad_before(current)) {
    return true;
  }
  for (const auto& [id, r] : world_.rollbacks()) {
    const bool ours = r.service == current.service;
    if (ours && !r.is_over()) {
      return true;
    }
    if (ours && r.claimed_at && r.type == rules::TriggerType::automatic &&
        now < *r.completed_at + policy.cooldown) {
      return true;
    }
  }
  if (const auto failed = last_failed(current.service)) {
    const Deployment& before = world_.deployments().at(failed->deployment);
    if (current.rollback_from ||
        std::pair{current.deployed_at, current.row} <= std::pair{before.deployed_at, before.row}) {
      return true;
    }
  }
  for (const auto& [id, d] : world_.deployments()) {
    if (d.service == current.service && d.row > current.row && !d.rollback_from &&
        d.status == DeploymentStatus::failed && d.completed_at &&
        now - *d.completed_at < rules::minutes{10}) {
      return true;
    }
  }
  return false;
}

bool Inspector::must_be_rolled_back(const Deployment& current) const {
  return rules::is_watched(current) && !current.rollback_from && !is_held(current) &&
         world_.database().target_of(current) != nullptr;
}

void Inspector::look_at_neglect(const std::map<rules::DeploymentId, std::uint64_t>& minute,
                                const std::map<rules::DeploymentId, std::uint64_t>& five) {
  for (const rules::Service& service : services_) {
    const Deployment* current = world_.database().at(service, world_.time());
    const bool plain = policies_.of(service).triggers == rules::default_triggers();
    const bool fires = current != nullptr && plain &&
                       (count_of(minute, current->id) > 5 || count_of(five, current->id) > 50);
    if (!fires || !must_be_rolled_back(*current)) {
      neglected_since_.erase(service);
      continue;
    }
    const rules::Instant since = neglected_since_.emplace(service, world_.time()).first->second;
    if (world_.time() - std::max(since, last_fault_) > promptly) {
      find(name_of_row(current->id) + " fires, nothing hinders its rollback, and none comes");
      neglected_since_.erase(service);
    }
  }
}

void Inspector::look_at_the_end() {
  if (!open_.empty() || world_.loop().active_rollbacks() != 0) {
    find("a rollback is still active at the end");
  }
  if (!world_.is_quiet()) {
    find("the daemon has not come to rest");
    return;
  }
  look_at_counts();
  for (const rules::Service& service : services_) {
    const Deployment* current = world_.database().at(service, world_.time());
    if (current == nullptr || !rules::is_watched(*current)) {
      continue;
    }
    if (!current->health_check_passed && !current->rollback_dispatched) {
      find(name_of_row(current->id) + " has been quiet for long and has not passed its probation");
    }
    if (!current->seen && world_.time() - *current->deployed_at < rules::minutes{50}) {
      find(name_of_row(current->id) + " has no post_deployment snapshot");
    }
  }
}

}  // namespace rollbackd::tests
