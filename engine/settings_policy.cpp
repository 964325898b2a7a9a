#include "engine/settings_policy.hpp"

#include <algorithm>

#include "engine/settings_execution.hpp"
#include "engine/settings_values.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

using rules::Duration;
using rules::minutes;
using rules::Second;
using rules::seconds;
using rules::Signal;

constexpr DurationRange any_duration{};
constexpr DurationRange any_window{seconds{1}, seconds{rules::limits::window_max}};
// A rate over less than a minute would be extrapolated from a few events.
constexpr DurationRange rate_window{seconds{60}, seconds{rules::limits::window_max}};

// What one service, one environment or everybody has.
struct Layer {
  rules::Policy policy;
  ExecutionSettings execution;
};

void read_trigger_window(const Section& section, rules::Trigger& trigger, WindowLengths& lengths) {
  const Value* window = section.find("window");
  if (rules::is_shared(trigger.signal) || trigger.signal == Signal::alert) {
    if (window != nullptr && window->text("now") != "now") {
      window->object("is given for " + std::string{name_of(trigger.signal)}, "now, or no window");
    }
    return;
  }
  const DurationRange& range =
      trigger.signal == Signal::errors_per_minute ? rate_window : any_window;
  if (window == nullptr) {
    section.whole().object("has no window", "window: " + duration_text(range.least) + " to " +
                                                duration_text(*range.greatest));
    return;
  }
  if (const auto length = window->whole_seconds(range)) {
    trigger.window = *length;
    if (rules::is_of_events(trigger.signal)) {
      lengths.take(*length, *window);
    }
  }
}

std::string read_trigger_name(const Section& section) {
  constexpr std::string_view expected = "a name of at most 100 characters in one line";
  const Value* name = section.find("name");
  if (name == nullptr) {
    section.whole().object("has no name", expected);
    return {};
  }
  std::string given = name->text(expected).value_or("");
  const bool has_control = std::any_of(given.begin(), given.end(), [](char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
  });
  if (given.size() > 100 || has_control) {
    name->object("is " + shown(given), expected);
    return {};
  }
  return given;
}

// The alert of the signal of that name, which is 0 or 1.
void read_trigger_alert(const Section& section, rules::Trigger& trigger) {
  constexpr std::string_view expected = "the name of an alert, of at most 500 characters";
  const Value* alert = section.find("alert");
  if (trigger.signal != Signal::alert) {
    if (alert != nullptr) {
      alert->object("is given for " + std::string{name_of(trigger.signal)}, "signal: alert");
    }
    return;
  }
  if (alert == nullptr) {
    section.whole().object("has no alert", "alert: " + std::string{expected});
    return;
  }
  trigger.alert = alert->text(expected).value_or("");
  if (trigger.alert.size() > 500) {
    alert->object("is too long", expected);
  }
}

void read_trigger_threshold(const Section& section, rules::Trigger& trigger) {
  constexpr std::string_view a_threshold = "a number of 0 or more";
  const Value* above = section.find("above");
  if (above != nullptr) {
    take(trigger.above, above->number(0, a_threshold));
    if (trigger.signal == Signal::alert && trigger.above >= 1) {
      above->object("is never exceeded: an alert is 0 or 1", "above: 0, or leave it out");
    }
  } else if (trigger.signal != Signal::alert) {
    section.whole().object("has no threshold", "above: " + std::string{a_threshold});
  }
}

rules::Trigger read_trigger(const Value& value, WindowLengths& lengths) {
  using enum rules::TriggerAction;
  const Section section{value, {"name", "signal", "alert", "window", "above", "for", "action"}};
  rules::Trigger trigger;
  trigger.name = read_trigger_name(section);

  std::optional<Signal> signal;
  if (const Value* given = section.find("signal")) {
    signal = given->word<Signal>({{"errors_per_minute", Signal::errors_per_minute},
                                  {"errors", Signal::errors},
                                  {"connection_utilisation", Signal::connection_utilisation},
                                  {"response_time_p95", Signal::response_time_p95},
                                  {"memory_utilisation", Signal::memory_utilisation},
                                  {"alert", Signal::alert}});
  } else {
    value.object("has no signal", "for example signal: errors_per_minute");
  }
  if (signal) {
    trigger.signal = *signal;
    read_trigger_window(section, trigger, lengths);
    read_trigger_alert(section, trigger);
  }
  read_trigger_threshold(section, trigger);
  if (const Value* held_for = section.find("for")) {
    take(trigger.held_for, held_for->duration(any_duration));
  }
  if (const Value* action = section.find("action")) {
    take(trigger.action,
         action->word<rules::TriggerAction>({{"rollback", rollback}, {"warn", warn}}));
  }
  return trigger;
}

void read_triggers(const Value& value, rules::TriggerTable& table, WindowLengths& lengths) {
  const auto rows = value.list("a list of triggers ([] for none)");
  if (!rows) {
    return;
  }
  table.clear();
  for (const Value& row : *rows) {
    rules::Trigger trigger = read_trigger(row, lengths);
    const bool is_known = std::any_of(table.begin(), table.end(), [&](const rules::Trigger& other) {
      return other.name == trigger.name && !trigger.name.empty();
    });
    if (is_known) {
      row.object("has the name " + shown(trigger.name) + " of a row before it",
                 "a name of its own");
    }
    table.push_back(std::move(trigger));
  }
}

void read_verify(const Value& value, Layer& layer, WindowLengths& lengths) {
  const Section section{value, {"window", "healthy_below", "health_url"}};
  if (const Value* window = section.find("window")) {
    if (const auto length = window->whole_seconds(any_window)) {
      layer.policy.verify_window = *length;
      lengths.take(*length, *window);
    }
  }
  if (const Value* below = section.find("healthy_below")) {
    constexpr std::string_view expected = "a number above 0 (errors per minute)";
    const auto number = below->number(0, expected);
    if (number && *number == 0) {
      below->object("is 0, and no rate is below that", expected);
    }
    take(layer.policy.verify_healthy_below, number);
  }
  if (const Value* url = section.find("health_url")) {
    layer.execution.health_url = url->is_null() ? "" : url->url().value_or("");
    layer.policy.verify_health_url = !layer.execution.health_url.empty();
  }
}

void read_rollback(const Value& value, Layer& layer, WindowLengths& lengths) {
  const Section section{
      value,
      {"executor", "command", "github", "webhook", "verify", "confirm", "settle", "cooldown",
       "max_per_hour", "max_age", "ask_expires", "stale_after", "migration_role"}};
  read_execution(section, layer.execution, layer.policy.executor);
  layer.policy.may_revert_migrations = !layer.execution.migration_role.empty();
  if (const Value* verify = section.find("verify")) {
    read_verify(*verify, layer, lengths);
  }
  const auto read = [&](std::string_view key, Duration& into, const DurationRange& range) {
    if (const Value* given = section.find(key)) {
      take(into, given->duration(range));
    }
  };
  read("confirm", layer.policy.confirm, any_duration);
  read("settle", layer.policy.settle, any_duration);
  read("cooldown", layer.policy.cooldown, any_duration);
  read("stale_after", layer.policy.stale_after, from_a_second);
  read("max_age", layer.policy.max_age, from_a_second);
  read("ask_expires", layer.policy.ask_expires, from_a_second);
  if (const Value* most = section.find("max_per_hour")) {
    take(layer.policy.max_per_hour, most->whole_number(1, 1000));
  }
}

// The keys that everybody, an environment and a service have alike.
void read_layer(const Section& section, Layer& layer, WindowLengths& lengths) {
  if (const Value* mode = section.find("mode")) {
    take(layer.policy.mode, mode->word<rules::Mode>({{"auto", rules::Mode::automatic},
                                                     {"ask", rules::Mode::ask},
                                                     {"shadow", rules::Mode::shadow}}));
  }
  if (const Value* probation = section.find("probation")) {
    take(layer.policy.probation, probation->duration(from_a_second));
  }
  if (const Value* blame = section.find("blame_window")) {
    take(layer.policy.blame_window, blame->duration(from_a_second));
  }
  if (const Value* triggers = section.find("triggers")) {
    read_triggers(*triggers, layer.policy.triggers, lengths);
  }
  if (const Value* rollback = section.find("rollback")) {
    read_rollback(*rollback, layer, lengths);
  }
}

Section section_of(const Value& value) {
  return Section{value, {"mode", "probation", "blame_window", "triggers", "rollback"}};
}

void read_environments(const Value& value, const Layer& everybody, Settings& settings,
                       WindowLengths& lengths) {
  const auto pairs = value.pairs();
  std::map<std::string, Layer> environments;
  for (const auto& [key, entry] : pairs) {
    if (key.empty()) {
      entry.object("has an empty name", "an environment, or environment/service");
    } else if (key.find('/') == std::string::npos) {
      Layer layer = everybody;
      read_layer(section_of(entry), layer, lengths);
      settings.policies.set_environment(key, layer.policy);
      settings.environment_execution.insert_or_assign(key, layer.execution);
      environments.emplace(key, std::move(layer));
    }
  }
  // Services inherit from their environment, wherever in the file it stands.
  for (const auto& [key, entry] : pairs) {
    const std::size_t slash = key.find('/');
    if (slash == std::string::npos) {
      continue;
    }
    const rules::Service service{key.substr(0, slash), key.substr(slash + 1)};
    if (service.environment.empty() || service.name.empty()) {
      entry.object("has an empty half", "environment/service");
      continue;
    }
    const auto environment = environments.find(service.environment);
    Layer layer = environment == environments.end() ? everybody : environment->second;
    read_layer(section_of(entry), layer, lengths);
    settings.policies.set_service(service, layer.policy);
    settings.service_execution.insert_or_assign(service, layer.execution);
  }
}

}  // namespace

WindowLengths::WindowLengths() {
  const auto always = rules::PolicyBook{}.window_lengths();
  lengths_.insert(always.begin(), always.end());
}

void WindowLengths::take(Second window, const Value& place) {
  constexpr std::size_t most = rules::limits::window_lengths_max;
  if (lengths_.insert(window).second && lengths_.size() > most && !told_) {
    told_ = true;
    place.object("is one more different window", "at most " + std::to_string(most) + " of them, " +
                                                     "those of healthy (60s and 5m) included");
  }
}

void read_policies(const Section& file, Settings& settings) {
  WindowLengths lengths;
  Layer everybody;
  read_layer(file, everybody, lengths);
  settings.policies = rules::PolicyBook{everybody.policy};
  settings.execution = everybody.execution;
  if (const Value* environments = file.find("environments")) {
    read_environments(*environments, everybody, settings, lengths);
  }
}

}  // namespace rollbackd::engine
