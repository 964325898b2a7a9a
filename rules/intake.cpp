#include "rules/intake.hpp"

namespace rollbackd::rules {
namespace {

const Deployment* owner_of(const World& world, const EventGroup& group) {
  return group.deployment ? world.deployments.find(*group.deployment)
                          : world.deployments.at(group.service, group.at);
}

void add_events(World& world, const std::vector<EventGroup>& events, Intake& intake) {
  for (const EventGroup& group : events) {
    const Deployment* deployment = owner_of(world, group);
    if (deployment == nullptr) {
      intake.unattributed += group.count;
      continue;
    }
    world.windows.add(deployment->id, second_of(group.at), group.count);
    intake.touched.insert(deployment->service);
  }
}

// Holds memory against a count of every row, both of one snapshot. A table that has more than
// memory is explained by foreign rows, as far as there are any; one that has less had rows removed.
// Services whose windows are being counted anew anyway prove nothing.
AuditFinding hold_against(World& world, const Audit& audit, const std::set<Service>& moved) {
  Windows counted{world.book.window_lengths()};
  counted.advance(world.windows.now());
  for (const EventGroup& group : audit.events) {
    if (const Deployment* owner = owner_of(world, group)) {
      counted.add(owner->id, second_of(group.at), group.count);
    }
  }
  const Second longest = world.book.window_lengths().back();
  AuditFinding finding;
  finding.foreign_rows = audit.foreign_rows;
  std::uint64_t missing = 0;
  for (const Service& service : world.deployments.services()) {
    if (moved.contains(service) || world.services[service].rebuilding) {
      continue;
    }
    for (const Deployment* deployment : world.deployments.of(service)) {
      const std::uint64_t memory = world.windows.count(deployment->id, longest);
      const std::uint64_t table = counted.count(deployment->id, longest);
      missing += table > memory ? table - memory : 0;
      finding.removed += memory > table ? memory - table : 0;
    }
  }
  finding.drift = missing > audit.foreign_rows ? missing - audit.foreign_rows : 0;
  world.windows = std::move(counted);
  return finding;
}

// Until the new windows are there the old ones answer, and nothing is judged by them.
void ask_for_rebuilds(World& world, const std::set<Service>& moved, Intake& intake) {
  for (const Service& service : moved) {
    world.services[service].rebuilding = true;
    intake.rebuilds.emplace_back(RebuildWindows{service});
  }
}

}  // namespace

Intake take_in(World& world, const FeedBatch& batch) {
  Intake intake;
  const std::set<Service> rebuilt{batch.rebuilt.begin(), batch.rebuilt.end()};
  std::set<Service> moved;
  for (const Deployment& deployment : batch.deployments) {
    for (Service& service : world.deployments.put(deployment)) {
      moved.insert(std::move(service));
    }
    intake.deployments.insert(deployment.id);
    intake.touched.insert(deployment.service);
  }
  for (const Service& service : rebuilt) {
    for (const Deployment* deployment : world.deployments.of(service)) {
      world.windows.forget(deployment->id);
    }
    world.services[service].rebuilding = false;
    intake.touched.insert(service);
    moved.erase(service);  // the rows and the count are of the same snapshot
  }
  // Time first: an event is late or early by the second of the snapshot it came with.
  const Second before = world.windows.now();
  world.windows.advance(second_of(batch.as_of));
  intake.second_passed = world.windows.now() > before;
  add_events(world, batch.events, intake);
  if (batch.audit) {
    intake.audit = hold_against(world, *batch.audit, moved);
    intake.second_passed = true;  // everybody is looked at again
  }
  ask_for_rebuilds(world, moved, intake);
  return intake;
}

Intake take_in(World& world, const FeedRebuilt& rebuilt) {
  Intake intake;
  world.deployments.clear();
  world.windows.clear();
  for (auto& [service, state] : world.services) {
    state.rebuilding = false;
    state.above_since.clear();  // whether it held through the gap is not known
    state.firing.clear();
  }
  for (const Deployment& deployment : rebuilt.deployments) {
    world.deployments.put(deployment);
    intake.deployments.insert(deployment.id);
    intake.touched.insert(deployment.service);
  }
  world.windows.advance(second_of(rebuilt.as_of));
  add_events(world, rebuilt.events, intake);
  world.complete = true;
  world.had_windows = true;
  intake.second_passed = true;
  return intake;
}

}  // namespace rollbackd::rules
