// The cost of one step of the decider: a batch with one event for one of many services.

#include <benchmark/benchmark.h>

#include "rules/decider.hpp"

namespace {

namespace rules = rollbackd::rules;

constexpr rules::Second start = 1'765'800'000;

rules::FeedRebuilt rebuilt(std::int64_t services) {
  rules::FeedRebuilt input;
  input.as_of = rules::instant_of(start);
  for (std::int64_t i = 0; i < services; ++i) {
    rules::Deployment d;
    d.row = i + 1;
    d.id = rules::DeploymentId{rules::derived_uuid({}, i, 0)};
    d.service = {"production", "s" + std::to_string(i)};
    d.version = "v1";
    d.git_commit = "c1";
    d.status = rules::DeploymentStatus::success;
    d.health_check_passed = true;
    d.seen = true;
    d.deployed_at = input.as_of - rules::minutes{600};
    input.deployments.push_back(d);
  }
  return input;
}

// One error in a batch of its own, each a minute apart for its service, so that nothing fires.
void one_event(benchmark::State& state) {
  rules::Decider decider{rules::PolicyBook{}};
  rules::Instant now = rules::instant_of(start);
  decider.step(now, rules::JournalRead{});
  decider.step(now, rebuilt(state.range(0)));
  std::int64_t event = 0;
  for (auto step : state) {
    static_cast<void>(step);
    now += rules::Duration{60'000'000 / state.range(0) + 20'000};
    rules::FeedBatch batch;
    batch.as_of = now;
    batch.events.push_back(
        {std::nullopt,
         {"production", "s" + std::to_string(event % state.range(0))},
         now,
         {{rollbackd::rules::second_of(now), 1}}});
    benchmark::DoNotOptimize(decider.step(now, batch));
    ++event;
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(one_event)->Arg(1)->Arg(100)->Arg(10'000);

}  // namespace
