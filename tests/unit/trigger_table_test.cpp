#include "rules/trigger_table.hpp"

#include <map>
#include <vector>

#include <doctest/doctest.h>

#include "rules/judgement.hpp"
#include "tests/support/random.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::Reading;
using rules::Second;
using rules::Signal;
using rules::Trigger;
using rules::TriggerAction;
using rules::TriggerTable;

// Whatever the test says has been measured; what it does not name cannot be measured.
struct Measured final : rules::Measurements {
  std::map<Signal, double> values;
  [[nodiscard]] std::optional<double> measure(Signal signal, Second /*window*/) const override {
    const auto known = values.find(signal);
    return known == values.end() ? std::nullopt : std::optional{known->second};
  }
  [[nodiscard]] std::optional<double> measure_alert(std::string_view name) const override {
    return name == "Slow" ? measure(Signal::alert, 0) : std::nullopt;
  }
};

std::vector<std::string> names_above(const std::map<Signal, double>& values) {
  Measured measured;
  measured.values = values;
  const TriggerTable table = rules::default_triggers();
  std::vector<std::string> names;
  for (const Reading& reading : rules::rows_above(table, measured)) {
    names.push_back(reading.trigger->name);
  }
  return names;
}

std::string text_of(const Trigger& trigger, double measured) {
  return rules::reason_text({&trigger, measured});
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("trigger table: the default is the five rows of the contract, in their order") {
  using enum Signal;
  const rules::Duration none{0};
  CHECK(rules::default_triggers() ==
        TriggerTable{
            {"error_rate", errors_per_minute, 60, 5, none, TriggerAction::rollback},
            {"recent_errors", errors, 300, 50, none, TriggerAction::rollback},
            {"db_connections", connection_utilisation, 0, 90, none, TriggerAction::rollback},
            {"response_time_p95", response_time_p95, 300, 5, none, TriggerAction::warn},
            {"memory_usage", memory_utilisation, 0, 95, none, TriggerAction::warn},
        });
}

TEST_CASE("trigger table: thresholds are strict") {
  CHECK(names_above({{Signal::errors_per_minute, 5}}).empty());
  CHECK(names_above({{Signal::errors_per_minute, 5.000001}}) == Names{"error_rate"});
  CHECK(names_above({{Signal::errors_per_minute, 6}}) == Names{"error_rate"});
  CHECK(names_above({{Signal::errors, 50}}).empty());
  CHECK(names_above({{Signal::errors, 51}}) == Names{"recent_errors"});
  CHECK(names_above({{Signal::connection_utilisation, 90}}).empty());
  CHECK(names_above({{Signal::connection_utilisation, 90.01}}) == Names{"db_connections"});
  CHECK(names_above({{Signal::response_time_p95, 5}}).empty());
  CHECK(names_above({{Signal::response_time_p95, 5.1}}) == Names{"response_time_p95"});
  CHECK(names_above({{Signal::memory_utilisation, 95}}).empty());
  CHECK(names_above({{Signal::memory_utilisation, 95.1}}) == Names{"memory_usage"});
}

TEST_CASE("trigger table: what cannot be measured never fires") {
  CHECK(names_above({}).empty());
  TriggerTable table = rules::default_triggers();
  for (Trigger& trigger : table) {
    trigger.above = -1;
  }
  CHECK(rules::rows_above(table, Measured{}).empty());
}

TEST_CASE("trigger table: rows above come in the table's order, the first one speaks") {
  CHECK(names_above({{Signal::connection_utilisation, 99},
                     {Signal::errors, 60},
                     {Signal::errors_per_minute, 20},
                     {Signal::memory_utilisation, 99}}) ==
        Names{"error_rate", "recent_errors", "db_connections", "memory_usage"});
}

TEST_CASE("trigger table: the three old reasons have the texts that clients know") {
  const TriggerTable table = rules::default_triggers();
  CHECK(text_of(table[0], 8) == "High error rate: 8 errors/minute");
  CHECK(text_of(table[0], 8.5) == "High error rate: 8.5 errors/minute");
  CHECK(text_of(table[1], 51) == "Too many recent errors: 51 in last 5 minutes");
  CHECK(text_of(table[2], 95) == "Database connection exhaustion: 95 % used");
  CHECK(text_of(table[2], 90.909) == "Database connection exhaustion: 90.91 % used");
}

TEST_CASE("trigger table: every other row says name, signal, number and limit") {
  const TriggerTable table = rules::default_triggers();
  CHECK(text_of(table[3], 5.25) == "response_time_p95: response_time_p95 5.25 above 5");
  CHECK(text_of(table[4], 97.5) == "memory_usage: memory_utilisation 97.5 above 95");
  CHECK(text_of({"slow_burn", Signal::errors, 60, 2.5, {}, {}}, 3) ==
        "slow_burn: errors 3 above 2.5");
  // The name alone does not make it the old row.
  CHECK(text_of({"error_rate", Signal::errors, 60, 2, {}, {}}, 3) ==
        "error_rate: errors 3 above 2");
  CHECK(text_of({"db_connections", Signal::memory_utilisation, 0, 2, {}, {}}, 3) ==
        "db_connections: memory_utilisation 3 above 2");
}

TEST_CASE(
    "trigger table: errors per minute are the count of a minute, over longer windows the average") {
  rules::Policy policy;
  policy.triggers = {{"long", Signal::errors_per_minute, 300, 5, {}, TriggerAction::rollback}};
  rules::World world = world_at_noon(policy);
  log_errors(world, 2, 7);
  log_errors(world, 2, 20, -100);
  const rules::DeploymentMeasurements measured{world, numbered_id(2)};
  CHECK(measured.measure(Signal::errors_per_minute, 60) == 7);
  CHECK(measured.measure(Signal::errors_per_minute, 300) == 27 / 5.0);
  CHECK(measured.measure(Signal::errors, 300) == 27);
  CHECK(measured.measure(Signal::errors, 60) == 7);
}

TEST_CASE("trigger table: a deployment younger than the window is not extrapolated") {
  rules::World world = world_at_noon();
  world.deployments.put(row(3, at(-1)));
  log_errors(world, 3, 5);
  CHECK(rules::errors_per_minute(world, numbered_id(3), 60) == 5);
  CHECK_FALSE(rules::first_rollback_row(world, row_of(world, 3)));
  log_errors(world, 3, 1);
  CHECK(rules::first_rollback_row(world, row_of(world, 3))->measured == 6);
}

TEST_CASE("trigger table: samples are nobody's until there are some") {
  rules::World world = world_at_noon();
  const rules::DeploymentMeasurements measured{world, numbered_id(2)};
  CHECK_FALSE(measured.measure(Signal::connection_utilisation, 0));
  CHECK_FALSE(measured.measure(Signal::memory_utilisation, 0));
  world.samples = rules::Sampled{91, 91, 3, std::nullopt};
  CHECK(measured.measure(Signal::connection_utilisation, 0) == 91);
  CHECK_FALSE(measured.measure(Signal::memory_utilisation, 0));
  CHECK_FALSE(measured.measure(Signal::response_time_p95, 300));
}

TEST_CASE("for: a row fires when it has held without interruption, at the microsecond it is due") {
  rules::Policy policy;
  policy.triggers = {{"burn", Signal::errors, 60, 2, rules::seconds{20}, TriggerAction::rollback}};
  rules::World world = world_at_noon(policy);
  rules::ServiceState state;
  log_errors(world, 2, 3);
  const auto fires_at = [&](double when) {
    return !rules::firing_rows(world, row_of(world, 2), state, at(when)).empty();
  };
  CHECK_FALSE(fires_at(0));
  CHECK_FALSE(fires_at(10));
  CHECK_FALSE(fires_at(19.999999));
  CHECK(fires_at(20));
  CHECK(fires_at(40));
}

TEST_CASE("for: an interruption, however short, begins the time anew") {
  rules::Policy policy;
  policy.triggers = {{"burn", Signal::errors, 60, 2, rules::seconds{20}, TriggerAction::rollback}};
  rules::World world = world_at_noon(policy);
  rules::ServiceState state;
  const auto fires_at = [&](double when) {
    return !rules::firing_rows(world, row_of(world, 2), state, at(when)).empty();
  };
  log_errors(world, 2, 3);
  CHECK_FALSE(fires_at(0));
  CHECK_FALSE(fires_at(19));
  world.windows.forget(numbered_id(2));
  CHECK_FALSE(fires_at(19.5));
  log_errors(world, 2, 3);
  CHECK_FALSE(fires_at(19.6));
  CHECK_FALSE(fires_at(39.5));
  CHECK(fires_at(39.6));
}

TEST_CASE("for: each row has its own time, and 0 fires at once") {
  rules::Policy policy;
  policy.triggers = {{"slow", Signal::errors, 60, 2, rules::seconds{5}, TriggerAction::rollback},
                     {"quick", Signal::errors, 60, 4, {}, TriggerAction::rollback}};
  rules::World world = world_at_noon(policy);
  rules::ServiceState state;
  const auto firing_at = [&](double when) {
    Names names;
    for (const Reading& r : rules::firing_rows(world, row_of(world, 2), state, at(when))) {
      names.push_back(r.trigger->name);
    }
    return names;
  };
  log_errors(world, 2, 3);
  CHECK(firing_at(0).empty());
  log_errors(world, 2, 3);
  CHECK(firing_at(3) == Names{"quick"});
  CHECK(firing_at(5) == Names{"slow", "quick"});
}

TEST_CASE("for: any pattern of measurements fires like a look at the whole history") {
  const std::uint64_t first = seed();
  for (std::uint64_t s = first; s < first + 200; ++s) {
    INFO("SEED=" << s);
    Random random{s};
    rules::Policy policy;
    const auto held = random.between(0, 6);
    policy.triggers = {{"burn", Signal::connection_utilisation, 0, 50, rules::seconds{held},
                        TriggerAction::rollback}};
    rules::World world = world_at_noon(policy);
    rules::ServiceState state;
    std::vector<std::pair<rules::Instant, bool>> history;
    rules::Instant now = noon;
    for (int step = 0; step < 80; ++step) {
      now += rules::Duration{random.between(0, 1'500'000)};
      const bool above = !random.one_in(4);
      world.samples = rules::Sampled{above ? 51.0 : 50.0, 1, 1, {}};
      history.emplace_back(now, above);
      // Dumb: walk back over the looks that were above, without a gap.
      std::optional<rules::Instant> since;
      for (auto it = history.rbegin(); it != history.rend() && it->second; ++it) {
        since = it->first;
      }
      const bool expected = since && now - *since >= rules::seconds{held};
      REQUIRE(rules::firing_rows(world, row_of(world, 2), state, now).empty() == !expected);
    }
  }
}

}  // namespace rollbackd::tests
