#include "rules/trigger_table.hpp"

#include "rules/names.hpp"
#include "rules/value.hpp"

namespace rollbackd::rules {
namespace {

constexpr auto signals = names_of<Signal>({
    {Signal::errors_per_minute, "errors_per_minute"},
    {Signal::errors, "errors"},
    {Signal::connection_utilisation, "connection_utilisation"},
    {Signal::response_time_p95, "response_time_p95"},
    {Signal::memory_utilisation, "memory_utilisation"},
    {Signal::alert, "alert"},
});

std::string window_text(Second window) {
  return window % 60 == 0 ? std::to_string(window / 60) + " minutes"
                          : std::to_string(window) + " seconds";
}

}  // namespace

std::string_view name_of(Signal signal) { return signals.name_of(signal); }

std::optional<Signal> signal_named(std::string_view name) { return signals.named(name); }

TriggerTable default_triggers() {
  using enum Signal;
  using enum TriggerAction;
  return {
      {"error_rate", errors_per_minute, 60, 5, Duration{0}, rollback},
      {"recent_errors", errors, 300, 50, Duration{0}, rollback},
      {"db_connections", connection_utilisation, 0, 90, Duration{0}, rollback},
      {"response_time_p95", response_time_p95, 300, 5, Duration{0}, warn},
      {"memory_usage", memory_utilisation, 0, 95, Duration{0}, warn},
  };
}

std::vector<Reading> rows_above(const TriggerTable& table, const Measurements& measurements) {
  std::vector<Reading> above;
  for (const Trigger& trigger : table) {
    const auto measured = trigger.signal == Signal::alert
                              ? measurements.measure_alert(trigger.alert)
                              : measurements.measure(trigger.signal, trigger.window);
    if (measured && *measured > trigger.above) {
      above.push_back({&trigger, *measured});
    }
  }
  return above;
}

std::string reason_text(const Reading& reading) {
  const Trigger& trigger = *reading.trigger;
  const std::string measured = number_text(reading.measured);
  if (trigger.name == "error_rate" && trigger.signal == Signal::errors_per_minute) {
    return "High error rate: " + measured + " errors/minute";
  }
  if (trigger.name == "recent_errors" && trigger.signal == Signal::errors) {
    return "Too many recent errors: " + measured + " in last " + window_text(trigger.window);
  }
  if (trigger.name == "db_connections" && trigger.signal == Signal::connection_utilisation) {
    return "Database connection exhaustion: " + measured + " % used";
  }
  return trigger.name + ": " + std::string{name_of(trigger.signal)} + " " + measured + " above " +
         number_text(trigger.above);
}

}  // namespace rollbackd::rules
