#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "rules/input.hpp"
#include "rules/world.hpp"
#include "tests/support/rules_kit.hpp"

// What the feed would say, for tests of how it is taken in.
namespace rollbackd::tests {

inline rules::EventGroup event(rules::Instant when, std::uint64_t n = 1) { return logged(when, n); }

inline rules::FeedBatch batch(rules::Instant as_of, std::vector<rules::EventGroup> events = {},
                              std::vector<rules::Deployment> deployments = {},
                              rules::Look look = 1) {
  return {as_of, look, std::move(deployments), std::move(events), false};
}

// The answer to what was asked for the service last, as `look` saw it.
inline rules::WindowsRecounted recounted(const rules::World& world,
                                         std::vector<rules::EventGroup> events,
                                         rules::Look look = 1,
                                         const rules::Service& service = app) {
  const auto& wanted = world.services.at(service).rebuilding;
  return {service, wanted ? wanted->number : 0, look, std::move(events)};
}

inline std::uint64_t count(const rules::World& world, std::int64_t deployment,
                           rules::Second window = 300) {
  return world.windows.count(numbered_id(static_cast<std::uint64_t>(deployment)), window);
}

}  // namespace rollbackd::tests
