#include "engine/telemetry/metric_table.hpp"

namespace rollbackd::engine {

MetricRow row_of(Told what) {
  switch (what) {
    case Told::decisions:
      return {"rollbackd_decisions_total",
              "What was decided about a trigger that fires, by reason."};
    case Told::suppressed:
      return {"rollbackd_suppressed_total",
              "Automatic rollbacks that were suppressed, held or rejected, by reason."};
    case Told::validations:
      return {"rollbackd_validations_total",
              "Proposed rollbacks that the laws and preconditions have looked at."};
    case Told::validations_refused:
      return {"rollbackd_validations_refused_total",
              "Proposed rollbacks that a law or precondition has refused."};
    case Told::law_checks:
      return {"rollbackd_law_checks_total",
              "What each of the Four Laws said about a proposed rollback, by outcome."};
    case Told::rollbacks_started:
      return {"rollbackd_rollbacks_started_total",
              "Rollbacks and proposals begun, by trigger_type."};
    case Told::rollbacks:
      return {"rollbackd_rollbacks_total",
              "Rollbacks ended, by outcome and reason; a plain success has the reason rollback."};
    case Told::last_rollback:
      return {"rollbackd_last_rollback_timestamp_seconds",
              "When a rollback, or a proposal of one, was last decided, since the epoch; 0: not "
              "since the start."};
    case Told::step_duration:
      return {"rollbackd_rollback_step_duration_seconds",
              "How long the steps of rollbacks took, by step."};
    case Told::steps_failed:
      return {"rollbackd_rollback_steps_failed_total", "Steps of rollbacks that failed, by step."};
    case Told::deploys:
      return {"rollbackd_deploys_total", "Deploys dispatched, by executor."};
    case Told::deploys_failed:
      return {"rollbackd_deploys_failed_total",
              "Deploys that did not succeed, by executor and by what became of them."};
    case Told::roman_events:
      return {"rollbackd_roman_events_total", "Rows written to ops.roman_events, by event_type."};
    case Told::alerts:
      return {"rollbackd_alerts_total", "Messages to people about rollbacks, by kind."};
    case Told::event_to_decision:
      return {
          "rollbackd_event_to_decision_seconds",
          "From the timestamp of the event that tipped the scales to the decision to roll back."};
    case Told::decision_to_recovered:
      return {"rollbackd_decision_to_recovered_seconds",
              "From the decision to roll back until health had returned."};
    case Told::journal_wait:
      return {"rollbackd_journal_wait_seconds",
              "From handing a transaction to the journal until its commit was known."};
    case Told::http_requests:
      return {"rollbackd_http_requests_total",
              "Requests answered, by method, route and class of the status."};
  }
  return {};
}

MetricRow row_of(Seen what) {
  switch (what) {
    case Seen::ready:
      return {"rollbackd_ready", "1 while /readyz says 200."};
    case Seen::problem:
      return {"rollbackd_problem", "1 while this part has a problem, as /readyz names it."};
    case Seen::active_rollbacks:
      return {"rollbackd_active_rollbacks", "Rollbacks under way."};
    case Seen::early_waiting:
      return {"rollbackd_early_events", "Events stamped in the future that wait for their time."};
    case Seen::early_dropped:
      return {"rollbackd_early_events_dropped_total",
              "Events stamped in the future for which there was no room; a recount finds them."};
    case Seen::windows_as_of:
      return {"rollbackd_windows_as_of_timestamp_seconds",
              "The database's second that the windows are true for."};
    case Seen::services:
      return {"rollbackd_services", "Services with a current deployment."};
    case Seen::services_in_state:
      return {"rollbackd_services_in_state", "How many services stand so, those left out too."};
    case Seen::services_left_out:
      return {"rollbackd_services_left_out",
              "Services without series of their own, because there are more than "
              "metrics.max_services."};
    case Seen::errors_per_minute:
      return {"rollbackd_errors_per_minute",
              "Events of the current deployment in the last minute."};
    case Seen::recent_errors:
      return {"rollbackd_recent_errors", "Events of the current deployment in the last 5 minutes."};
    case Seen::response_time_p95:
      return {"rollbackd_response_time_p95_seconds",
              "P95 response time of the current deployment in the last 5 minutes, where there are "
              "any."};
    case Seen::service_state:
      return {"rollbackd_service_state", "Always 1; how the service stands is in the label state."};
    case Seen::deployment_info:
      return {"rollbackd_deployment_info", "Always 1; the current version is in the labels."};
  }
  return {};
}

MetricRow row_of(Own what) {
  switch (what) {
    case Own::build_info:
      return {"rollbackd_build_info", "Always 1; what runs is in the labels."};
    case Own::cpu_seconds:
      return {"process_cpu_seconds_total", "User and system CPU time spent."};
    case Own::open_fds:
      return {"process_open_fds", "Open file descriptors."};
    case Own::max_fds:
      return {"process_max_fds", "The most file descriptors that may be open."};
    case Own::virtual_memory:
      return {"process_virtual_memory_bytes", "Virtual memory."};
    case Own::virtual_memory_max:
      return {"process_virtual_memory_max_bytes", "The most virtual memory there may be; -1: any."};
    case Own::resident_memory:
      return {"process_resident_memory_bytes", "Resident memory."};
    case Own::start_time:
      return {"process_start_time_seconds", "When the process was started, since the epoch."};
    case Own::threads:
      return {"process_threads", "Threads of the process."};
  }
  return {};
}

// Bounds stand where something is promised: a commit is seen within 1 ms, at once means 0.25 s, a
// silent doorbell is asked for every 0.25 s at most and the safety poll comes every second; the
// gate answers within 2 s, a person within 10 s.
const std::vector<double>& buckets_of(Timing what) {
  static const std::vector<double> quick{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                         0.1,    0.25,  0.5,    1,     2.5,  5,     10};
  static const std::vector<double> brief{0.00001, 0.000025, 0.00005, 0.0001, 0.00025,
                                         0.0005,  0.001,    0.0025,  0.005,  0.01,
                                         0.025,   0.05,     0.1,     0.25,   1};
  static const std::vector<double> lag{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                       0.25,   0.5,   1,      2.5,   5,    10,    60};
  if (what == Timing::feed_lag || what == Timing::heartbeat) {
    return lag;
  }
  return what == Timing::judgement ? brief : quick;
}

const std::vector<double>& buckets_of_decision() {
  static const std::vector<double> bounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                          0.25,   0.5,   1,      2.5,   5,    10,    30,   60};
  return bounds;
}

const std::vector<double>& buckets_of_recovery() {
  static const std::vector<double> bounds{1, 5, 10, 15, 30, 60, 90, 120, 180, 300, 600, 900, 1800};
  return bounds;
}

// A snapshot has 2 s, a probe of health one window to five, a deploy 10 to 15 minutes.
const std::vector<double>& buckets_of_steps() {
  static const std::vector<double> bounds{0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 900};
  return bounds;
}

const std::vector<std::string_view>& roman_event_types() {
  static const std::vector<std::string_view> types{"rollback_initiated",
                                                   "rollback_validation",
                                                   "rollback_step",
                                                   "rollback_completed",
                                                   "rollback_failed",
                                                   "rollback_rejected",
                                                   "rollback_held",
                                                   "rollback_proposed",
                                                   "rollback_approved",
                                                   "rollback_aborted",
                                                   "rollback_shadow",
                                                   "deployment_seen",
                                                   "deployment_verified",
                                                   "warning",
                                                   "pause",
                                                   "resume",
                                                   "breaker_opened",
                                                   "breaker_closed",
                                                   "leadership"};
  return types;
}

}  // namespace rollbackd::engine
