#include "rules/intake.hpp"

namespace rollbackd::rules {
namespace {

void add_events(World& world, const std::vector<EventGroup>& events, Intake& intake) {
  for (const EventGroup& group : events) {
    const Deployment* deployment = group.deployment
                                       ? world.deployments.find(*group.deployment)
                                       : world.deployments.at(group.service, group.at);
    if (deployment == nullptr) {
      intake.unattributed += group.count;
      continue;
    }
    world.windows.add(deployment->id, second_of(group.at), group.count);
    intake.touched.insert(deployment->service);
  }
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
