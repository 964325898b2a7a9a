#include "engine/telemetry/metric_table.hpp"

namespace rollbackd::engine {

MetricRow row_of(Count what) {
  switch (what) {
    case Count::feed_polls:
      return {"rollbackd_feed_polls_total", "Questions to the tables for what is new."};
    case Count::feed_events:
      return {"rollbackd_feed_events_total", "Events taken in."};
    case Count::feed_bells:
      return {"rollbackd_feed_bells_total", "Times the doorbell was heard."};
    case Count::feed_strange_bells:
      return {"rollbackd_feed_strange_bells_total",
              "Notifications on our channel with somebody else's payload; each is only a bell."};
    case Count::feed_rebuilds:
      return {"rollbackd_feed_rebuilds_total", "Times windows were counted anew from a snapshot."};
    case Count::feed_reconnects:
      return {"rollbackd_feed_reconnects_total", "Times the feed lost its connection."};
    case Count::feed_untimed_rows:
      return {"rollbackd_feed_untimed_rows_total",
              "Rows that never count: their timestamp is null or infinite."};
    case Count::feed_early_rows:
      return {"rollbackd_feed_early_rows_total",
              "Rows with a timestamp more than a minute ahead: they count when their time comes."};
    case Count::feed_unknown_deployments:
      return {"rollbackd_feed_unknown_deployment_events_total",
              "Events whose deployment_id no known deployment has."};
    case Count::feed_unowned_events:
      return {"rollbackd_feed_unowned_events_total", "Events of services that have no deployment."};
    case Count::feed_rows_skipped:
      return {"rollbackd_feed_rows_skipped_total",
              "Rows of ops.deployments that cannot be understood."};
    case Count::doorbell_silences:
      return {"rollbackd_doorbell_silences_total",
              "Times the doorbell was silenced, because ringing harmed the writers."};
    case Count::response_times:
      return {"rollbackd_response_times_total", "Response times taken in."};
    case Count::response_times_left_out:
      return {"rollbackd_response_times_left_out_total",
              "Response times that are no number of milliseconds, or have no usable timestamp."};
    case Count::response_times_unattributed:
      return {"rollbackd_response_times_unattributed_total",
              "Response times that belong to no known deployment."};
    case Count::response_times_dropped:
      return {"rollbackd_response_times_dropped_total",
              "Response times for which there was no room in memory."};
    case Count::response_times_recounts:
      return {"rollbackd_response_times_recounts_total",
              "Times all response times were counted anew from a snapshot."};
    case Count::journal_commits:
      return {"rollbackd_journal_commits_total", "Transactions of the journal that committed."};
    case Count::journal_failures:
      return {"rollbackd_journal_failures_total",
              "Transactions of the journal that did not commit, or may not have."};
    case Count::samples:
      return {"rollbackd_samples_total", "Samples of connections and memory taken."};
    case Count::notifications:
      return {"rollbackd_notifications_total", "Messages to people that were attempted."};
    case Count::notifications_failed:
      return {"rollbackd_notifications_failed_total", "Messages to people that did not get out."};
    case Count::http_requests:
      return {"rollbackd_http_requests_total", "Requests answered."};
    case Count::http_errors:
      return {"rollbackd_http_errors_total", "Requests answered with a status of 400 or more."};
    case Count::deploys:
      return {"rollbackd_deploys_total", "Deploys dispatched."};
    case Count::deploys_failed:
      return {"rollbackd_deploys_failed_total", "Deploys that did not succeed."};
  }
  return {};
}

MetricRow row_of(Level what) {
  switch (what) {
    case Level::feed_listening:
      return {"rollbackd_feed_listening", "1 while the doorbell is listened to, 0 while polling."};
    case Level::feed_polling:
      return {"rollbackd_feed_polling",
              "1 where the tables are polled by design, because a doorbell cannot work here."};
    case Level::doorbell_silent:
      return {"rollbackd_doorbell_silent",
              "1 while the doorbell is silent in a storm and the tables are polled."};
    case Level::feed_complete:
      return {"rollbackd_feed_complete",
              "1 while the windows have no gap, so that they are judged."};
    case Level::window_drift:
      return {"rollbackd_window_drift",
              "Events by which memory and SQL differed at the last audit. Must be 0."};
    case Level::feed_foreign_rows:
      return {"rollbackd_feed_foreign_rows",
              "Rows at the last audit whose xid is missing or of another server."};
    case Level::feed_unwatched_severities:
      return {
          "rollbackd_feed_unwatched_severities",
          "Severities in watched logs, by the planner's statistics, that are neither watched nor "
          "known to be harmless."};
    case Level::canary_round_trip_seconds:
      return {"rollbackd_canary_round_trip_seconds",
              "From ringing the doorbell ourselves until it was heard, the last time."};
    case Level::notify_lock_waiters:
      return {"rollbackd_notify_lock_waiters",
              "Sessions that wait for the lock of NOTIFY: the harm the doorbell does."};
    case Level::doorbell_strangers:
      return {"rollbackd_doorbell_strangers",
              "Sessions of others that hold the doorbell's lock, so that every writer rings."};
    case Level::notify_queue_usage_ratio:
      return {"rollbackd_notify_queue_usage_ratio", "How full the queue of NOTIFY is, 0 to 1."};
    case Level::connection_utilisation_percent:
      return {"rollbackd_connection_utilisation_ratio",
              "Client connections over usable ones, 0 to 1.", 0.01};
    case Level::memory_utilisation_percent:
      return {"rollbackd_memory_utilisation_ratio",
              "Memory in use on this host or in this cgroup, 0 to 1.", 0.01};
    case Level::outbox_waiting:
      return {"rollbackd_outbox_waiting", "Messages to people that wait to be delivered."};
    case Level::response_times_complete:
      return {"rollbackd_response_times_complete",
              "1 while the windows of the response times have no gap."};
    case Level::leader:
      return {"rollbackd_leader", "1 while this daemon leads, 0 on a standby."};
    case Level::paused:
      return {"rollbackd_paused", "1 while the emergency stop is on: nothing is rolled back."};
    case Level::breakers_open:
      return {"rollbackd_breakers_open",
              "Environments with too many automatic rollbacks: none more until a person agrees."};
  }
  return {};
}

MetricRow row_of(Timing what) {
  switch (what) {
    case Timing::feed_poll:
      return {"rollbackd_feed_poll_duration_seconds", "How long one question to the tables took."};
    case Timing::feed_lag:
      return {"rollbackd_feed_lag_seconds", "From an event's timestamp until it was taken in."};
    case Timing::journal_commit:
      return {"rollbackd_journal_commit_duration_seconds", "How long one transaction took."};
    case Timing::snapshot:
      return {"rollbackd_snapshot_duration_seconds", "How long a system snapshot took."};
    case Timing::response_times_poll:
      return {"rollbackd_response_times_poll_duration_seconds",
              "How long one question for response times took."};
    case Timing::http_request:
      return {"rollbackd_http_request_duration_seconds", "From a whole request to its answer."};
    case Timing::notification:
      return {"rollbackd_notification_duration_seconds", "How long one message to people took."};
  }
  return {};
}

MetricRow row_of(Told what) {
  switch (what) {
    case Told::decisions:
      return {"rollbackd_decisions_total",
              "What was decided about a trigger that fires, by reason."};
    case Told::suppressed:
      return {"rollbackd_suppressed_total",
              "Automatic rollbacks that were suppressed, held or rejected, by reason."};
    case Told::rollbacks_started:
      return {"rollbackd_rollbacks_started_total", "Rollbacks begun."};
    case Told::rollbacks:
      return {"rollbackd_rollbacks_total",
              "Rollbacks ended, by outcome and reason; a plain success has the reason rollback."};
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
  }
  return {};
}

MetricRow row_of(Seen what) {
  switch (what) {
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
    case Own::resident_memory:
      return {"process_resident_memory_bytes", "Resident memory."};
    case Own::start_time:
      return {"process_start_time_seconds", "When the process was started, since the epoch."};
    case Own::threads:
      return {"process_threads", "Threads of the process."};
  }
  return {};
}

const std::vector<double>& buckets_of(Timing what) {
  static const std::vector<double> quick{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                         0.1,    0.25,  0.5,    1,     2.5,  5,     10};
  static const std::vector<double> lag{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                       0.25,  0.5,    1,     2.5,  5,     10,   60};
  return what == Timing::feed_lag ? lag : quick;
}

const std::vector<double>& buckets_of_decision() {
  static const std::vector<double> bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                          0.5,   1,      2.5,   5,    10,    30,   60};
  return bounds;
}

const std::vector<double>& buckets_of_recovery() {
  static const std::vector<double> bounds{1, 5, 10, 15, 30, 60, 90, 120, 180, 300, 600, 900, 1800};
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
