#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/time.hpp"

namespace rollbackd::rules {

// A measured number that a trigger can look at.
enum class Signal {
  errors_per_minute,       // the deployment's events in the window, per minute
  errors,                  // the deployment's events in the window
  connection_utilisation,  // percent; of the whole database
  response_time_p95,       // seconds
  memory_utilisation,      // percent; of the daemon's host or cgroup
  alert,                   // 1 while an Alertmanager's alert fires for the service, else 0
};

std::string_view name_of(Signal signal);
std::optional<Signal> signal_named(std::string_view name);

// Whether the signal is everybody's, so that it says nothing about one service by itself.
constexpr bool is_shared(Signal signal) {
  return signal == Signal::connection_utilisation || signal == Signal::memory_utilisation;
}

// Whether the signal is counted from the deployment's own events.
constexpr bool is_of_events(Signal signal) {
  return signal == Signal::errors_per_minute || signal == Signal::errors;
}

enum class TriggerAction { rollback, warn };

// One row of the trigger table. It fires when the signal is strictly above the threshold.
struct Trigger {
  std::string name;
  Signal signal = Signal::errors_per_minute;
  Second window = 0;  // seconds; 0 for signals that are "now"
  double above = 0;
  Duration held_for{0};  // `for:` in the configuration
  TriggerAction action = TriggerAction::rollback;
  std::string alert{};  // the alert's name, of the signal `alert`

  friend bool operator==(const Trigger&, const Trigger&) = default;
};

// In the order of the table: the first row that fires speaks.
using TriggerTable = std::vector<Trigger>;

// The five rows of DESIGN.md section 4.
TriggerTable default_triggers();

// What can be measured at one moment about one deployment.
class Measurements {
 public:
  virtual ~Measurements() = default;
  // Nothing: it cannot be measured now, which is never taken for "fine" and never fires.
  [[nodiscard]] virtual std::optional<double> measure(Signal signal, Second window) const = 0;
  // The signal `alert`, of the alert of this name.
  [[nodiscard]] virtual std::optional<double> measure_alert(std::string_view name) const = 0;
};

// A row with the number that was measured for it.
struct Reading {
  const Trigger* trigger = nullptr;
  double measured = 0;
};

// The rows above their threshold, in the table's order, whatever their `for`.
std::vector<Reading> rows_above(const TriggerTable& table, const Measurements& measurements);

// The exact text of the API's `reason` and of trigger_reason, for a row that fires.
std::string reason_text(const Reading& reading);

}  // namespace rollbackd::rules
