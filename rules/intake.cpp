#include "rules/intake.hpp"

#include <algorithm>

#include "rules/limits.hpp"

namespace rollbackd::rules {
namespace {

template <class Group>
const Deployment* owner_of(const World& world, const Group& group) {
  return group.deployment ? world.deployments.find(*group.deployment)
                          : world.deployments.at(group.service, group.at);
}

void add_events(World& world, const EventGroup& group, Intake& intake) {
  const Deployment* deployment = owner_of(world, group);
  if (deployment == nullptr) {
    intake.unattributed += group.count();
    return;
  }
  for (const SecondCount& second : group.seconds) {
    world.windows.add(deployment->id, second.at, second.n);
  }
  intake.touched.insert(deployment->service);
}

// Until the new windows are there the old ones answer, and nothing is judged by them.
void ask_for_recount(World& world, const Service& service, const char* why, Intake& intake) {
  const std::uint64_t number = ++world.recounts;
  world.services[service].rebuilding = Recounting{number, {}};
  intake.rebuilds.emplace_back(RebuildWindows{service, number, why});
  if (world.audit) {
    world.audit->moved.insert(service);
  }
}

// Whether it will be the service's once its windows are counted anew is not known yet.
void keep_for_recount(World& world, const EventGroup& group, Look look, Intake& intake) {
  const Deployment* deployment = owner_of(world, group);
  const Service& service = deployment == nullptr ? group.service : deployment->service;
  const auto state = world.services.find(service);
  if (state == world.services.end() || !state->second.rebuilding) {
    return;
  }
  auto& since = state->second.rebuilding->since;
  since.emplace_back(look, group);
  if (since.size() > limits::recounting_groups_max) {
    ask_for_recount(world, service, "too_much_since", intake);
  }
}

AuditBaseline baseline_of(const World& world, Look look) {
  const Second longest = world.windows.longest();
  AuditBaseline baseline;
  baseline.look = look;
  for (const Service& service : world.deployments.services()) {
    const auto state = world.services.find(service);
    if (state != world.services.end() && state->second.rebuilding) {
      baseline.moved.insert(service);
      continue;
    }
    for (const Deployment* deployment : world.deployments.of(service)) {
      if (const std::uint64_t count = world.windows.count(deployment->id, longest); count > 0) {
        baseline.counts.emplace(deployment->id, count);
      }
    }
  }
  return baseline;
}

// The table's side of one deployment.
struct Counted {
  std::uint64_t seen = 0;
  std::uint64_t odd = 0;
  std::uint64_t foreign = 0;
};

std::map<DeploymentId, Counted> by_owner(const World& world, const AuditCounted& audit) {
  std::map<DeploymentId, Counted> counted;
  for (const AuditGroup& group : audit.groups) {
    if (const Deployment* owner = owner_of(world, group)) {
      Counted& own = counted[owner->id];
      own.seen += group.seen;
      own.odd += group.odd;
      own.foreign += group.foreign;
    }
  }
  return counted;
}

// Adds to the finding. The reason to count the service anew; null: memory is right. What a table
// has more than memory is explained by rows that no difference of snapshots can find, as far as
// there are any; one that has less had rows removed.
const char* compare(std::uint64_t memory, const Counted& table, bool calendar_overflowed,
                    AuditFinding& finding) {
  const std::uint64_t all = table.seen + table.foreign;
  if (memory == all) {
    return nullptr;
  }
  if (memory > all) {
    finding.removed += memory - all;
    return "rows_removed";
  }
  const std::uint64_t missing = all - memory;
  const std::uint64_t explained =
      calendar_overflowed ? missing : std::min(missing, table.foreign + table.odd);
  finding.foreign_rows += explained > table.foreign ? explained - table.foreign : 0;
  finding.drift += missing - explained;
  return explained == missing ? "foreign_rows" : "window_drift";
}

}  // namespace

std::uint64_t EventGroup::count() const {
  std::uint64_t n = 0;
  for (const SecondCount& second : seconds) {
    n += second.n;
  }
  return n;
}

Intake take_in(World& world, const FeedBatch& batch) {
  Intake intake;
  std::set<Service> moved;
  for (const Deployment& deployment : batch.deployments) {
    for (Service& service : world.deployments.put(deployment)) {
      moved.insert(std::move(service));
    }
    intake.deployments.insert(deployment.id);
    intake.touched.insert(deployment.service);
  }
  // Time first: an event is late or early by the second of the snapshot it came with.
  const Second before = world.windows.now();
  world.windows.advance(second_of(batch.as_of));
  intake.second_passed = world.windows.now() > before;
  for (const EventGroup& group : batch.events) {
    add_events(world, group, intake);
    keep_for_recount(world, group, batch.look, intake);
  }
  for (const Service& service : moved) {
    ask_for_recount(world, service, "deployment_changed", intake);
  }
  if (batch.audited) {
    world.audit = baseline_of(world, batch.look);
  }
  return intake;
}

Intake take_in(World& world, const FeedRebuilt& rebuilt) {
  Intake intake;
  world.deployments.clear();
  world.windows.restart(second_of(rebuilt.as_of));
  world.early_dropped = world.windows.dropped();
  world.audit.reset();
  for (auto& [service, state] : world.services) {
    state.rebuilding.reset();
    state.above_since.clear();  // whether it held through the gap is not known
    state.firing.clear();
    // Whoever is not looked at again has no deployment any more.
    Standing standing = state.standing;
    standing.has_current = false;
    standing.fires = false;
    world.environments.change(service.environment, state.standing, standing);
  }
  for (const Deployment& deployment : rebuilt.deployments) {
    world.deployments.put(deployment);
    intake.deployments.insert(deployment.id);
    intake.touched.insert(deployment.service);
  }
  for (const EventGroup& group : rebuilt.events) {
    add_events(world, group, intake);
  }
  world.complete = true;
  world.had_windows = true;
  intake.second_passed = true;
  return intake;
}

Intake take_in(World& world, const WindowsRecounted& recounted) {
  Intake intake;
  const auto state = world.services.find(recounted.service);
  if (state == world.services.end() || !state->second.rebuilding ||
      state->second.rebuilding->number != recounted.number) {
    return intake;
  }
  const Recounting recounting = *std::exchange(state->second.rebuilding, std::nullopt);
  for (const Deployment* deployment : world.deployments.of(recounted.service)) {
    world.windows.forget(deployment->id);
  }
  // The tables may know more than memory: whose deployment has moved since is counted with that
  // move.
  const auto add_own = [&](const EventGroup& group) {
    const Deployment* owner = owner_of(world, group);
    if (owner == nullptr || owner->service == recounted.service) {
      add_events(world, group, intake);
    }
  };
  for (const EventGroup& group : recounted.events) {
    add_own(group);
  }
  for (const auto& [look, group] : recounting.since) {
    if (look > recounted.look) {
      add_own(group);
    }
  }
  if (world.audit) {
    world.audit->moved.insert(recounted.service);
  }
  intake.touched.insert(recounted.service);
  return intake;
}

Intake take_in(World& world, const AuditCounted& audit) {
  Intake intake;
  if (!world.audit || world.audit->look != audit.look) {
    return intake;
  }
  const AuditBaseline baseline = *std::exchange(world.audit, std::nullopt);
  std::map<DeploymentId, Counted> counted = by_owner(world, audit);
  AuditFinding finding;
  for (const AuditGroup& group : audit.groups) {
    finding.foreign_rows += group.foreign;
  }
  for (const auto& [id, count] : baseline.counts) {
    counted.try_emplace(id);
  }
  std::map<Service, const char*> wrong;
  for (const auto& [id, table] : counted) {
    const Deployment* deployment = world.deployments.find(id);
    if (deployment == nullptr || baseline.moved.contains(deployment->service)) {
      continue;
    }
    const auto memory = baseline.counts.find(id);
    if (const char* why = compare(memory == baseline.counts.end() ? 0 : memory->second, table,
                                  world.windows.dropped() > world.early_dropped, finding)) {
      wrong.emplace(deployment->service, why);
    }
  }
  for (const auto& [service, why] : wrong) {
    ask_for_recount(world, service, why, intake);
  }
  intake.audit = finding;
  return intake;
}

}  // namespace rollbackd::rules
