#include "rules/response_times_intake.hpp"

#include <algorithm>

namespace rollbackd::rules {

ResponseTimesFinding take_in(World& world, const ResponseTimesRead& read) {
  ResponseTimes& times = world.response_times;
  const std::uint64_t dropped_before = times.dropped();
  if (read.whole) {
    times.clear();
    world.response_times_complete = true;
  }
  world.response_times_counted = std::max(world.response_times_counted, read.recount);
  times.advance(second_of(read.as_of));
  ResponseTimesFinding finding;
  for (const DurationGroup& group : read.groups) {
    const Deployment* owner = group.deployment ? world.deployments.find(*group.deployment)
                                               : world.deployments.at(group.service, group.at);
    for (const DurationCell& cell : group.cells) {
      if (owner == nullptr) {
        finding.unattributed += read.whole ? 0 : cell.count;
      } else {
        times.add(owner->id, cell);
      }
    }
  }
  finding.dropped = times.dropped() - dropped_before + read.not_sent;
  return finding;
}

}  // namespace rollbackd::rules
