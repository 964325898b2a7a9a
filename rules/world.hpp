#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/deployments.hpp"
#include "rules/environments.hpp"
#include "rules/input.hpp"
#include "rules/policy.hpp"
#include "rules/window.hpp"

namespace rollbackd::rules {

enum class Ruling {
  quiet,       // no rollback trigger fires
  suppressed,  // it fires, and another matter is under way, or it is nobody's fault
  held,        // it has to wait
  rejected,    // a law or a precondition forbids it
  shadowed,    // it would be rolled back, and is only told
  proposed,    // a person has to say yes
  roll_back,
};

// A service's windows on their way to be counted anew. The count will be of a snapshot in the past:
// what came after it is kept here, to be added to it.
struct Recounting {
  std::uint64_t number = 0;  // of the RebuildWindows that is waited for
  std::vector<std::pair<Look, EventGroup>> since;
};

// Memory as one look left it, to be held against a count of the table as that look saw it.
struct AuditBaseline {
  Look look = 0;
  std::map<DeploymentId, std::uint64_t> counts;  // in the longest window, where there are any
  std::set<Service> moved;  // proves nothing: counted anew, or to be, since then
};

// What is remembered about one service between two judgements.
struct ServiceState {
  DeploymentId judged;  // the current deployment that the next seven are about
  std::map<std::string, Instant> above_since;  // by trigger name
  std::set<std::string> firing;                // trigger names, when it was last looked at
  std::map<std::string, Second> warned;        // by trigger name: when it last fired
  std::optional<EventId> active_told;          // it fires while this one is under way
  std::vector<Reason> told;                    // of the firing trigger; empty: nothing yet
  Ruling told_as = Ruling::quiet;
  Second last_fired = 0;

  Standing standing;
  std::optional<Latch> latch;
  std::optional<Instant> automatic_ended_at;
  std::optional<Recounting> rebuilding;  // nothing is judged by its windows until it is over
};

// Everything that decisions are made from.
struct World {
  explicit World(PolicyBook policies)
      : book{std::move(policies)},
        windows{book.window_lengths()},
        response_times{book.response_time_lengths()} {}

  PolicyBook book;
  Deployments deployments;
  Windows windows;
  std::optional<Sampled> samples;
  std::optional<ControlRead> control;  // nothing: not read yet
  // Those of `control`, by name; of one name that fires several times, since when the first does.
  std::map<Service, std::map<std::string, Instant, std::less<>>> alerts;
  std::uint64_t controls_asked = 0;  // the number of the last ReadControl
  std::vector<Claim> claims;         // of automatic rollbacks, within limits::cap_window
  // By environment, when a person last closed its breaker: earlier claims do not count any more.
  std::map<std::string, Instant> breakers_closed;
  // Opened by us, and not read back yet; by environment.
  std::map<std::string, Instant> breakers_opened;
  Environments environments;
  std::map<Service, ServiceState> services;
  std::optional<AuditBaseline> audit;
  std::uint64_t recounts = 0;       // asked for so far
  std::uint64_t early_dropped = 0;  // by the windows when they were last rebuilt
  bool complete = false;            // the windows have no gap
  ResponseTimes response_times;
  bool response_times_complete = false;      // they have no gap
  std::uint64_t response_times_counted = 0;  // the last RecountResponseTimes that was answered
  bool journal_known = false;
  bool had_windows = false;  // were complete at least once
};

// The signals of one deployment at this moment.
class DeploymentMeasurements final : public Measurements {
 public:
  DeploymentMeasurements(const World& world, const DeploymentId& deployment)
      : world_{world}, deployment_{deployment} {}

  [[nodiscard]] std::optional<double> measure(Signal signal, Second window) const override;
  [[nodiscard]] std::optional<double> measure_alert(std::string_view name) const override;

 private:
  const World& world_;
  DeploymentId deployment_;
};

// Whether the windows can be judged: there is no gap in them, and they are of this moment.
bool is_current(const World& world, Instant now);

double errors_per_minute(const World& world, const DeploymentId& deployment, Second window);
std::uint64_t recent_errors(const World& world, const DeploymentId& deployment);
// In seconds. Nothing: there were none, or they are not known, which they are not either while
// their service's are being counted anew.
std::optional<double> response_time_p95(const World& world, const DeploymentId& deployment,
                                        Second window);

// Since when an alert of this name fires for the service; nothing: it does not.
std::optional<Instant> alert_since(const World& world, const Service& service,
                                   std::string_view name);

// Takes what was read over. The services whose alerts are other ones now.
std::set<Service> take_alerts(World& world, const std::vector<FiringAlert>& alerts);

// Fewer than limits::healthy_events in limits::healthy_window.
bool is_healthy(const World& world, const DeploymentId& deployment);

// Healthy, and no rollback trigger above its threshold.
bool is_stable(const World& world, const Deployment& deployment);

// The first row with the action `rollback` that is above its threshold, whatever its `for`.
std::optional<Reading> first_rollback_row(const World& world, const Deployment& deployment);

// Whether this row, which is above its threshold, has been so for as long as it asks. Only of the
// deployment that is judged it is known since when.
bool is_firing(const World& world, const Deployment& deployment, const Trigger& trigger);

// The first row with the action `rollback` that fires.
std::optional<Reading> first_firing_row(const World& world, const Deployment& deployment);

}  // namespace rollbackd::rules
