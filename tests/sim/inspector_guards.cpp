// The part of the inspector that looks beyond one service: its neighbours, the cap, the pause, and
// what was there before.

#include <algorithm>

#include "tests/sim/inspector.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::Rollback;
using rules::RollbackStatus;
using rules::TriggerType;

}  // namespace

// Nobody acts unattended against a guard that everybody can see.
void Inspector::look_at_guards(const Rollback& rollback) {
  const bool unattended = rollback.type == TriggerType::automatic && !rollback.approved;
  const std::string name = "the rollback of " + name_of_row(rollback.deployment);
  if (rollback.asked && !rollback.approved) {
    find(name + " was claimed and nobody approved it");
  }
  if (!unattended) {
    return;
  }
  const rules::Policy& policy = policies_.of(rollback.service);
  if (other_rollbacks(rollback.service, rollback.id) >=
      static_cast<std::size_t>(policy.max_per_hour)) {
    find(name + " was claimed above the cap");
  }
  // They may have been well for some seconds since they were last looked at.
  const rules::Second t = rules::second_of(world_.time());
  look_at_neighbours(world_.database().recount(t, 60), world_.database().recount(t, 300));
  const auto bad_since = others_bad_since_.find(rollback.service);
  const rules::Duration settled = rules::seconds{count_every};
  if (bad_since != others_bad_since_.end() && last_fault_ + settled < bad_since->second &&
      world_.time() - bad_since->second > settled) {
    find(name + " was claimed although most of its neighbours are as bad");
  }
}

// Automatic rollbacks of the environment that are in progress or were claimed within an hour.
std::size_t Inspector::other_rollbacks(const rules::Service& service,
                                       const rules::EventId& own) const {
  return static_cast<std::size_t>(
      std::count_if(world_.rollbacks().begin(), world_.rollbacks().end(), [&](const auto& known) {
        const Rollback& r = known.second;
        return r.service.environment == service.environment && r.id != own &&
               r.type == TriggerType::automatic &&
               (r.status == RollbackStatus::in_progress ||
                (r.claimed_at && world_.time() - *r.claimed_at < rules::minutes{60} &&
                 !world_.database().is_forgiven(r)));
      }));
}

// A service whose neighbours are as bad, by counting all of them.
void Inspector::look_at_neighbours(const CountByDeployment& minute, const CountByDeployment& five) {
  for (const auto& [id, row] : world_.deployments()) {
    services_.insert(row.service);
  }
  std::set<rules::Service> serving;
  std::set<rules::Service> bad;
  std::set<rules::Service> perhaps;  // with a trigger table of its own, which is not evaluated here
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
      perhaps.insert(service);
    } else if (!plain && count_of(five, current->id) > 0) {
      perhaps.insert(service);
    }
  }
  for (const rules::Service& service : services_) {
    const auto neighbours = [&](const std::set<rules::Service>& some) {
      return std::count_if(some.begin(), some.end(), [&](const rules::Service& other) {
        return other != service && other.environment == service.environment;
      });
    };
    const auto are_bad = [&](const std::set<rules::Service>& some) {
      return neighbours(some) >= 3 && 2 * neighbours(some) >= neighbours(serving);
    };
    if (are_bad(bad)) {
      others_bad_since_.emplace(service, world_.time());
    } else {
      others_bad_since_.erase(service);
    }
    if (are_bad(perhaps)) {
      others_perhaps_bad_.insert(service);
    } else {
      others_perhaps_bad_.erase(service);
    }
  }
}

// Whether the one before had anything like a trigger's worth of events: more than has to be.
bool Inspector::was_bad_before(const Deployment& current) const {
  const Deployment* before =
      world_.database().at(current.service, *current.deployed_at - rules::Duration{1});
  const rules::Second last = rules::second_of(*current.deployed_at);
  std::vector<rules::Second> own;
  for (const SimEvent& event : world_.database().events()) {
    const rules::Second second = rules::second_of(event.timestamp);
    if (before != nullptr && second > last - 400 && second <= last + 60 &&
        world_.database().attributed(event) == before) {
      own.push_back(second);
    }
  }
  const auto is_bad = [&](rules::Second window, std::ptrdiff_t above) {
    for (rules::Second t = last - 60; t <= last; ++t) {
      if (std::count_if(own.begin(), own.end(), [&](rules::Second second) {
            return second > t - window - 10 && second <= t + 60;
          }) > above) {
        return true;
      }
    }
    return false;
  };
  return before != nullptr && (is_bad(60, 5) || is_bad(300, 50));
}

bool Inspector::meets_migrations(const Deployment& current) const {
  const Deployment* target = world_.database().target_of(current);
  const auto& all = world_.migrations();
  return std::any_of(all.begin(), all.end(), [&](const rules::Migration& migration) {
    const auto own = world_.deployments().find(*migration.deployment);
    const bool ours = own != world_.deployments().end() && own->second.service == current.service;
    return ours &&
           (migration.revert_failed ||
            (target != nullptr && own->second.row != target->row &&
             own->second.deployed_at >= target->deployed_at && !migration.backward_compatible));
  });
}

// Whether anything beyond the service's own past makes an automatic rollback wait.
bool Inspector::is_guarded(const Deployment& current) const {
  const rules::Policy& policy = policies_.of(current.service);
  const auto& breakers = world_.database().breakers();
  const bool is_open =
      std::any_of(breakers.begin(), breakers.end(), [&](const rules::Breaker& breaker) {
        return breaker.environment == current.service.environment;
      });
  return policy.mode != rules::Mode::automatic ||
         world_.time() - *current.deployed_at > policy.max_age || is_open ||
         world_.database().pause().on || others_perhaps_bad_.contains(current.service) ||
         other_rollbacks(current.service, {}) >= static_cast<std::size_t>(policy.max_per_hour) ||
         meets_migrations(current) || was_bad_before(current);
}

}  // namespace rollbackd::tests
