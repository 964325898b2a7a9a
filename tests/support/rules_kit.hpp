#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rules/deployment.hpp"
#include "rules/guards.hpp"
#include "rules/world.hpp"

// What the tests of rules/ have in common: a moment, rows, and worlds to put them into.
namespace rollbackd::tests {

namespace rules = rollbackd::rules;

inline const rules::Instant noon = rules::instant_of(1'765'800'000);  // 2025-12-15 12:00 UTC
inline const rules::Second noon_second = rules::second_of(noon);
inline constexpr rules::Duration one_us{1};
inline const rules::Service app{"production", "app"};

// A moment by its distance from noon.
inline rules::Instant at(double seconds) {
  return noon + rules::Duration{static_cast<std::int64_t>(seconds * 1e6)};
}

// A uuid that is the same in every run, told apart by a number.
inline rules::DeploymentId numbered_id(std::uint64_t number) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[15 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  }
  return rules::DeploymentId{bytes};
}

// A row that serves since `deployed_at`: version v<number>, its own commit.
inline rules::Deployment row(
    std::int64_t number, rules::Instant deployed_at,
    rules::DeploymentStatus status = rules::DeploymentStatus::in_progress) {
  rules::Deployment d;
  d.row = number;
  d.id = numbered_id(static_cast<std::uint64_t>(number));
  d.service = app;
  d.version = "v" + std::to_string(number);
  d.git_commit = "c" + std::to_string(number);
  d.status = status;
  d.deployed_at = deployed_at;
  return d;
}

// One that a rollback can go back to.
inline rules::Deployment good_row(std::int64_t number, rules::Instant deployed_at) {
  rules::Deployment d = row(number, deployed_at, rules::DeploymentStatus::success);
  d.health_check_passed = true;
  return d;
}

// n events of one moment that name no deployment.
inline rules::EventGroup logged(rules::Instant when, std::uint64_t n = 1,
                                const rules::Service& service = app) {
  return {std::nullopt, service, when, {{rules::second_of(when), n}}};
}

// v1 is good, v2 serves since ten minutes ago; the windows are complete and stand at noon.
inline rules::World world_at_noon(rules::Policy policy = {}) {
  rules::World world{rules::PolicyBook{std::move(policy)}};
  world.deployments.put(good_row(1, at(-3600)));
  world.deployments.put(row(2, at(-600)));
  world.windows.advance(noon_second);
  world.complete = true;
  world.journal_known = true;
  world.had_windows = true;
  return world;
}

inline const rules::Deployment& row_of(const rules::World& world, std::int64_t number) {
  return *world.deployments.find(numbered_id(static_cast<std::uint64_t>(number)));
}

// What holds an action on this row.
using Reasons = std::vector<rules::Reason>;
inline Reasons holds(const rules::World& world, rules::Instant now = noon,
                     std::int64_t number = 2) {
  return rules::holds(world, row_of(world, number), now);
}

inline void log_errors(rules::World& world, std::int64_t deployment, std::uint64_t n,
                       double when = 0) {
  world.windows.add(numbered_id(static_cast<std::uint64_t>(deployment)), rules::second_of(at(when)),
                    n);
}

}  // namespace rollbackd::tests
