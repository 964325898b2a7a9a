// The cost of one step of the decider, by what it is given and by how many services there are. Each
// service has one deployment, and no trigger fires unless it is said.

#include <benchmark/benchmark.h>

#include "rules/decider.hpp"

namespace {

namespace rules = rollbackd::rules;

constexpr rules::Second began = 1'765'800'000;

rules::Service service(std::int64_t number) {
  return {"production", "service-" + std::to_string(number)};
}

rules::FeedRebuilt rebuilt(std::int64_t services) {
  rules::FeedRebuilt input;
  input.as_of = rules::instant_of(began);
  for (std::int64_t i = 0; i < services; ++i) {
    rules::Deployment d;
    d.row = i + 1;
    d.id = rules::DeploymentId{rules::derived_uuid({}, i, 0)};
    d.service = service(i);
    d.version = "v1";
    d.git_commit = "c1";
    d.status = rules::DeploymentStatus::success;
    d.health_check_passed = true;
    d.seen = true;
    d.deployed_at = input.as_of - rules::minutes{600} + rules::Duration{i};
    input.deployments.push_back(d);
  }
  return input;
}

// The default table with limits for errors that are never reached.
rules::Policy patient() {
  rules::Policy policy;
  for (rules::Trigger& trigger : policy.triggers) {
    trigger.above = rules::is_of_events(trigger.signal) ? 1e15 : trigger.above;
  }
  return policy;
}

struct Stage {
  explicit Stage(std::int64_t services) : decider{rules::PolicyBook{patient()}} {
    decider.step(now, rules::JournalRead{});
    decider.step(now, rebuilt(services));
  }

  // One event each of this many services, in one batch.
  [[nodiscard]] rules::FeedBatch events(std::int64_t first, std::int64_t services) const {
    rules::FeedBatch batch;
    batch.as_of = now;
    for (std::int64_t i = 0; i < services; ++i) {
      batch.events.push_back({std::nullopt, service(first + i), now, {{rules::second_of(now), 1}}});
    }
    return batch;
  }

  rules::Decider decider;
  rules::Instant now = rules::instant_of(began);
};

// A batch with one event; no second passes.
void batch_of_one(benchmark::State& state) {
  Stage stage{state.range(0)};
  std::int64_t number = 0;
  for (auto step : state) {
    static_cast<void>(step);
    const auto batch = stage.events(number++ % state.range(0), 1);
    benchmark::DoNotOptimize(stage.decider.step(stage.now, batch));
  }
}

// A batch with an event for every service; no second passes.
void batch_of_all(benchmark::State& state) {
  Stage stage{state.range(0)};
  const auto batch = stage.events(0, state.range(0));
  for (auto step : state) {
    static_cast<void>(step);
    benchmark::DoNotOptimize(stage.decider.step(stage.now, batch));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// A second passes and everybody is looked at. `busy`: everybody has events in the windows.
void a_second(benchmark::State& state, bool busy) {
  Stage stage{state.range(0)};
  for (auto step : state) {
    static_cast<void>(step);
    if (busy) {
      state.PauseTiming();
      stage.decider.step(stage.now, stage.events(0, state.range(0)));
      state.ResumeTiming();
    }
    stage.now += rules::seconds{1};
    rules::FeedBatch batch;
    batch.as_of = stage.now;
    benchmark::DoNotOptimize(stage.decider.step(stage.now, batch));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// The same while the connections are exhausted: a trigger fires for everybody, and everybody asks
// whether he is to blame.
void an_exhausted_second(benchmark::State& state) {
  Stage stage{state.range(0)};
  stage.decider.step(stage.now, rules::Sampled{95, 95, 1, 99});
  for (auto step : state) {
    static_cast<void>(step);
    stage.now += rules::seconds{1};
    rules::FeedBatch batch;
    batch.as_of = stage.now;
    benchmark::DoNotOptimize(stage.decider.step(stage.now, batch));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void samples(benchmark::State& state) {
  Stage stage{state.range(0)};
  for (auto step : state) {
    static_cast<void>(step);
    benchmark::DoNotOptimize(stage.decider.step(stage.now, rules::Sampled{50, 50, 1, 50}));
  }
}

// What a scrape and the status page ask for.
void views(benchmark::State& state) {
  Stage stage{state.range(0)};
  stage.decider.step(stage.now, stage.events(0, state.range(0)));
  for (auto step : state) {
    static_cast<void>(step);
    benchmark::DoNotOptimize(stage.decider.services());
  }
}

BENCHMARK(batch_of_one)->Arg(1)->Arg(100)->Arg(10'000);
BENCHMARK(batch_of_all)->Arg(1)->Arg(10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(a_second, quiet, false)->Arg(10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(a_second, busy, true)->Arg(10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(an_exhausted_second)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(samples)->Arg(1)->Arg(10'000);
BENCHMARK(views)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
