// The cost of one event in the windows, beside the obvious way: a deque of timestamps for each
// deployment. `bytes` is what the allocator has given out for them.

#include <deque>
#include <malloc.h>
#include <unordered_map>

#include <benchmark/benchmark.h>

#include "rules/limits.hpp"
#include "rules/window.hpp"

namespace {

using rollbackd::rules::DeploymentId;
using rollbackd::rules::Second;
using rollbackd::rules::Windows;

constexpr Second start = 1'765'800'000;

std::vector<DeploymentId> deployments(std::int64_t count) {
  std::vector<DeploymentId> ids;
  for (std::int64_t i = 0; i < count; ++i) {
    ids.emplace_back(rollbackd::rules::derived_uuid({}, i, 0));
  }
  return ids;
}

double allocated() {
  const auto state = mallinfo2();
  return static_cast<double>(state.uordblks + state.hblkhd);
}

struct Slices {
  Slices() { windows.advance(start); }

  void add(const DeploymentId& id, Second at, std::uint64_t n) {
    windows.advance(at);
    windows.add(id, at, n);
  }
  [[nodiscard]] std::uint64_t count(const DeploymentId& id, Second /*now*/, Second length) const {
    return windows.count(id, length);
  }

  Windows windows{{60, 300}};
};

struct Deques {
  void add(const DeploymentId& id, Second at, std::uint64_t n) {
    events[id].insert(events[id].end(), n, at);
  }
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

  std::unordered_map<DeploymentId, std::deque<Second>> events;
};

// So many events a second go on, spread over the deployments, and the two default windows are read
// after each.
template <class Kind>
void go_on(benchmark::State& state, const std::vector<DeploymentId>& ids, Kind& windows,
           std::int64_t first, std::int64_t events_a_second) {
  std::int64_t event = first;
  for (auto step : state) {
    static_cast<void>(step);
    const auto& id = ids[static_cast<std::size_t>(event) % ids.size()];
    const Second now = start + event / events_a_second;
    windows.add(id, now, 1);
    benchmark::DoNotOptimize(windows.count(id, now, 60) + windows.count(id, now, 300));
    ++event;
  }
  state.SetItemsProcessed(state.iterations());
}

// A thousand events a second for this many deployments, with windows that are full.
template <class Kind>
void by_deployments(benchmark::State& state) {
  const auto ids = deployments(state.range(0));
  Kind windows;
  constexpr std::int64_t events_a_second = 1000;
  const std::int64_t before = std::max(state.range(0), 300 * events_a_second);
  for (std::int64_t event = 0; event < before; ++event) {
    windows.add(ids[static_cast<std::size_t>(event) % ids.size()], start + event / events_a_second,
                1);
  }
  go_on(state, ids, windows, before, events_a_second);
}

// One deployment with this many events in the longest window.
template <class Kind>
void by_events(benchmark::State& state) {
  const auto ids = deployments(1);
  const double before = allocated();
  Kind windows;
  const std::int64_t events_a_second = state.range(0) / 300;
  for (Second second = 0; second < 300; ++second) {
    windows.add(ids[0], start + second, static_cast<std::uint64_t>(events_a_second));
  }
  state.counters["bytes"] = allocated() - before;
  go_on(state, ids, windows, 300 * events_a_second, events_a_second);
}

// What one deployment takes in memory with an event in each of so many seconds.
void bytes_each(benchmark::State& state) {
  const auto ids = deployments(10'000);
  for (auto step : state) {
    static_cast<void>(step);
    const double before = allocated();
    Slices windows;
    for (Second second = 0; second < state.range(0); ++second) {
      for (const DeploymentId& id : ids) {
        windows.add(id, start + second, 1);
      }
    }
    state.counters["bytes"] = (allocated() - before) / static_cast<double>(ids.size());
  }
}

// A second passes in which an event of each deployment leaves each window.
void a_second_passes(benchmark::State& state) {
  const auto ids = deployments(state.range(0));
  Slices windows;
  for (Second second = 0; second < 300; ++second) {
    for (const DeploymentId& id : ids) {
      windows.add(id, start + second, 1);
    }
  }
  Second now = start + 300;
  for (auto step : state) {
    static_cast<void>(step);
    windows.windows.advance(now);
    state.PauseTiming();
    for (const DeploymentId& id : ids) {
      windows.add(id, now, 1);
    }
    ++now;
    state.ResumeTiming();
  }
}

BENCHMARK_TEMPLATE(by_deployments, Slices)->Arg(1)->Arg(1000)->Arg(100'000);
BENCHMARK_TEMPLATE(by_deployments, Deques)->Arg(1)->Arg(1000)->Arg(100'000);
BENCHMARK_TEMPLATE(by_events, Slices)->RangeMultiplier(10)->Range(1000, 10'000'000);
BENCHMARK_TEMPLATE(by_events, Deques)->RangeMultiplier(10)->Range(1000, 1'000'000);
BENCHMARK(bytes_each)->Arg(1)->Arg(60)->Arg(300)->Iterations(1);
BENCHMARK(a_second_passes)->Arg(10'000)->Iterations(100)->Unit(benchmark::kMicrosecond);

}  // namespace
