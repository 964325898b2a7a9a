// The cost of one event in the windows, beside the obvious way: a deque of timestamps for each
// deployment.

#include <deque>
#include <unordered_map>

#include <benchmark/benchmark.h>

#include "rules/limits.hpp"
#include "rules/window.hpp"

namespace {

using rollbackd::rules::DeploymentId;
using rollbackd::rules::Second;
using rollbackd::rules::Windows;

constexpr Second start = 1'765'800'000;
constexpr std::int64_t events_a_second = 1000;

std::vector<DeploymentId> deployments(std::int64_t count) {
  std::vector<DeploymentId> ids;
  for (std::int64_t i = 0; i < count; ++i) {
    ids.emplace_back(rollbackd::rules::derived_uuid({}, i, 0));
  }
  return ids;
}

// A thousand events a second, spread over the deployments, and the two default windows read after
// each.
void slices(benchmark::State& state) {
  const auto ids = deployments(state.range(0));
  Windows windows{{60, 300}};
  windows.advance(start);
  std::int64_t event = 0;
  for (auto step : state) {
    static_cast<void>(step);
    const auto& id = ids[static_cast<std::size_t>(event) % ids.size()];
    const Second now = start + event / events_a_second;
    windows.advance(now);
    windows.add(id, now, 1);
    benchmark::DoNotOptimize(windows.count(id, 60) + windows.count(id, 300));
    ++event;
  }
  state.SetItemsProcessed(state.iterations());
}

struct Deques {
  std::unordered_map<DeploymentId, std::deque<Second>> events;

  void add(const DeploymentId& id, Second at) { events[id].push_back(at); }
  std::uint64_t count(const DeploymentId& id, Second now, Second length) {
    auto& own = events[id];
    while (!own.empty() && own.front() <= now - 300) {
      own.pop_front();
    }
    std::uint64_t counted = 0;
    for (auto at = own.rbegin(); at != own.rend() && *at > now - length; ++at) {
      ++counted;
    }
    return counted;
  }
};

void deque(benchmark::State& state) {
  const auto ids = deployments(state.range(0));
  Deques windows;
  std::int64_t event = 0;
  for (auto step : state) {
    static_cast<void>(step);
    const auto& id = ids[static_cast<std::size_t>(event) % ids.size()];
    const Second now = start + event / events_a_second;
    windows.add(id, now);
    benchmark::DoNotOptimize(windows.count(id, now, 60) + windows.count(id, now, 300));
    ++event;
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(slices)->Arg(1)->Arg(1000)->Arg(100'000);
BENCHMARK(deque)->Arg(1)->Arg(1000)->Arg(100'000);

}  // namespace
