#include "engine/telemetry/metric_table.hpp"

#include <cstddef>
#include <utility>

namespace rollbackd::engine {
namespace {

constexpr MetricLabel discord{"channel", "discord"};
constexpr std::string_view failed_notifications = "rollbackd_notifications_failed_total";
constexpr std::string_view failed_notifications_help =
    "Messages to people that did not get out: to be sent again later, refused, or with their "
    "channel gone.";
constexpr std::string_view alerts_in = "rollbackd_alertmanager_alerts_received_total";
constexpr std::string_view alerts_in_help = "Alerts taken in from Alertmanagers, by status.";

// A row for each value, in the order of the values. `last` is the last of them.
template <class Value, std::size_t size>
constexpr bool has_all(const std::pair<Value, MetricRow> (&rows)[size], Value last) {
  for (std::size_t i = 0; i < size; ++i) {
    if (rows[i].first != static_cast<Value>(i)) {
      return false;
    }
  }
  return static_cast<std::size_t>(last) + 1 == size;
}

template <class Value, std::size_t size>
MetricRow row_in(const std::pair<Value, MetricRow> (&rows)[size], Value what) {
  const auto index = static_cast<std::size_t>(what);
  return index < size ? rows[index].second : MetricRow{};
}

constexpr std::pair<Count, MetricRow> counts[] = {
    {Count::feed_polls, {"rollbackd_feed_polls_total", "Questions to the tables for what is new."}},
    {Count::feed_events, {"rollbackd_feed_events_total", "Events taken in."}},
    {Count::feed_bells, {"rollbackd_feed_bells_total", "Times the doorbell was heard."}},
    {Count::feed_strange_bells,
     {"rollbackd_feed_strange_bells_total",
      "Notifications on our channel with somebody else's payload; each is only a bell."}},
    {Count::feed_rebuilds,
     {"rollbackd_feed_rebuilds_total", "Times windows were counted anew from a snapshot."}},
    {Count::feed_gaps,
     {"rollbackd_feed_gaps_total",
      "Times the feed had a gap, so that nothing was judged until it was rebuilt."}},
    {Count::feed_reconnects,
     {"rollbackd_feed_reconnects_total", "Times the feed lost its connection."}},
    {Count::feed_untimed_rows,
     {"rollbackd_feed_untimed_rows_total",
      "Rows that never count: their timestamp is null or infinite."}},
    {Count::feed_early_rows,
     {"rollbackd_feed_early_rows_total",
      "Rows with a timestamp more than a minute ahead: they count when their time comes."}},
    {Count::feed_unknown_deployments,
     {"rollbackd_feed_unknown_deployment_events_total",
      "Events whose deployment_id no known deployment has."}},
    {Count::feed_unowned_events,
     {"rollbackd_feed_unowned_events_total", "Events of services that have no deployment."}},
    {Count::feed_rows_skipped,
     {"rollbackd_feed_rows_skipped_total", "Rows of ops.deployments that cannot be understood."}},
    {Count::audits,
     {"rollbackd_audits_total", "Times memory was held against a count of the tables."}},
    {Count::canaries,
     {"rollbackd_canaries_total", "Times we rang the doorbell ourselves, to hear it."}},
    {Count::canaries_lost,
     {"rollbackd_canaries_lost_total", "Times our own bell was not heard in time."}},
    {Count::heartbeats,
     {"rollbackd_heartbeats_total",
      "Rows written into ops.heartbeats, to be seen and judged like an event."}},
    {Count::heartbeats_failed,
     {"rollbackd_heartbeats_failed_total", "Heartbeats that could not be written."}},
    {Count::doorbell_silences,
     {"rollbackd_doorbell_silences_total",
      "Times the doorbell was silenced, because ringing harmed the writers."}},
    {Count::response_times, {"rollbackd_response_times_total", "Response times taken in."}},
    {Count::response_times_left_out,
     {"rollbackd_response_times_left_out_total",
      "Response times that are no number of milliseconds, or have no usable timestamp."}},
    {Count::response_times_unattributed,
     {"rollbackd_response_times_unattributed_total",
      "Response times that belong to no known deployment."}},
    {Count::response_times_dropped,
     {"rollbackd_response_times_dropped_total",
      "Response times for which there was no room in memory."}},
    {Count::response_times_recounts,
     {"rollbackd_response_times_recounts_total",
      "Times all response times were counted anew from a snapshot."}},
    {Count::journal_commits,
     {"rollbackd_journal_commits_total", "Transactions of the journal that committed."}},
    {Count::journal_failures,
     {"rollbackd_journal_failures_total",
      "Transactions of the journal that did not commit, or may not have."}},
    {Count::samples, {"rollbackd_samples_total", "Samples of connections and memory taken."}},
    {Count::samples_failed, {"rollbackd_samples_failed_total", "Samples that could not be taken."}},
    {Count::snapshots_failed,
     {"rollbackd_snapshots_failed_total", "System snapshots that failed or came too late."}},
    {Count::leadership_changes,
     {"rollbackd_leadership_changes_total", "Times this daemon began or ceased to lead."}},
    {Count::notifications,
     {"rollbackd_notifications_total", "Messages to people that were attempted.", 1, discord}},
    {Count::notifications_put_off,
     {failed_notifications, failed_notifications_help, 1, discord, {"reason", "later"}}},
    {Count::notifications_refused,
     {failed_notifications, failed_notifications_help, 1, discord, {"reason", "refused"}}},
    {Count::notification_channels_gone,
     {failed_notifications, failed_notifications_help, 1, discord, {"reason", "gone"}}},
    {Count::alerts_in_firing, {alerts_in, alerts_in_help, 1, {"status", "firing"}}},
    {Count::alerts_in_resolved, {alerts_in, alerts_in_help, 1, {"status", "resolved"}}},
    {Count::alerts_in_left_out,
     {"rollbackd_alertmanager_alerts_left_out_total",
      "Alerts taken in that count nowhere: without the labels environment and service, or "
      "for want of room."}},
    {Count::config_reloads,
     {"rollbackd_config_reloads_total", "Times the configuration was read, the start too."}},
    {Count::config_reloads_failed,
     {"rollbackd_config_reloads_failed_total",
      "Times the configuration had mistakes, so that the old one stayed."}},
    {Count::http_errors,
     {"rollbackd_http_errors_total", "Requests answered with a status of 400 or more."}},
};
static_assert(has_all(counts, Count::http_errors));

constexpr std::pair<Level, MetricRow> levels[] = {
    {Level::database_up,
     {"rollbackd_database_up", "1 while the database answers, asked once a second."}},
    {Level::feed_listening,
     {"rollbackd_feed_listening", "1 while the doorbell is listened to, 0 while polling."}},
    {Level::feed_polling,
     {"rollbackd_feed_polling",
      "1 where the tables are polled by design, because a doorbell cannot work here."}},
    {Level::doorbell_silent,
     {"rollbackd_doorbell_silent",
      "1 while the doorbell is silent in a storm and the tables are polled."}},
    {Level::feed_complete,
     {"rollbackd_feed_complete", "1 while the windows have no gap, so that they are judged."}},
    {Level::window_drift,
     {"rollbackd_window_drift",
      "Events by which memory and SQL differed at the last audit. Must be 0."}},
    {Level::feed_foreign_rows,
     {"rollbackd_feed_foreign_rows",
      "Rows at the last audit whose xid is missing or of another server."}},
    {Level::feed_unwatched_severities,
     {"rollbackd_feed_unwatched_severities",
      "Severities in watched logs, by the planner's statistics, that are neither watched nor "
      "known to be harmless."}},
    {Level::canary_round_trip_seconds,
     {"rollbackd_canary_round_trip_seconds",
      "From ringing the doorbell ourselves until it was heard, the last time."}},
    {Level::canary_timestamp_seconds,
     {"rollbackd_canary_timestamp_seconds",
      "When our own bell was heard last, since the epoch; 0: not yet."}},
    {Level::heartbeat_timestamp_seconds,
     {"rollbackd_heartbeat_timestamp_seconds",
      "When the last heartbeat was written that has been seen and judged, since the epoch; "
      "0: none yet."}},
    {Level::notify_lock_waiters,
     {"rollbackd_notify_lock_waiters",
      "Sessions that wait for the lock of NOTIFY: the harm the doorbell does."}},
    {Level::doorbell_strangers,
     {"rollbackd_doorbell_strangers",
      "Sessions of others that hold the doorbell's lock, so that every writer rings."}},
    {Level::notify_queue_usage_ratio,
     {"rollbackd_notify_queue_usage_ratio", "How full the queue of NOTIFY is, 0 to 1."}},
    {Level::connection_utilisation_percent,
     {"rollbackd_connection_utilisation_ratio", "Client connections over usable ones, 0 to 1.",
      0.01}},
    {Level::memory_utilisation_percent,
     {"rollbackd_memory_utilisation_ratio", "Memory in use on this host or in this cgroup, 0 to 1.",
      0.01}},
    {Level::outbox_waiting,
     {"rollbackd_outbox_waiting", "Messages to people that wait to be delivered."}},
    {Level::leader, {"rollbackd_leader", "1 while this daemon leads, 0 on a standby."}},
    {Level::leader_epoch,
     {"rollbackd_leader_epoch",
      "The number of the leadership, higher with each new leader; 0 on a standby."}},
    {Level::paused,
     {"rollbackd_paused", "1 while the emergency stop is on: nothing is rolled back."}},
    {Level::paused_since_timestamp_seconds,
     {"rollbackd_paused_since_timestamp_seconds",
      "Since when the emergency stop is on, since the epoch; 0: it is off."}},
    {Level::breakers_open,
     {"rollbackd_breakers_open",
      "Environments with too many automatic rollbacks: none more until a person agrees."}},
    {Level::alerts_in,
     {"rollbackd_alertmanager_alerts",
      "Alerts of Alertmanagers that fire for a service now, as they are kept here."}},
    {Level::response_times_complete,
     {"rollbackd_response_times_complete",
      "1 while the windows of the response times have no gap."}},
    {Level::config_reload_successful,
     {"rollbackd_config_last_reload_successful",
      "1 if the configuration was without mistakes when it was last read."}},
    {Level::config_reload_timestamp_seconds,
     {"rollbackd_config_last_reload_success_timestamp_seconds",
      "When the configuration that is in use was read, since the epoch."}},
};
static_assert(has_all(levels, Level::config_reload_timestamp_seconds));

constexpr std::pair<Timing, MetricRow> timings[] = {
    {Timing::feed_poll,
     {"rollbackd_feed_poll_duration_seconds", "How long one question to the tables took."}},
    {Timing::feed_lag,
     {"rollbackd_feed_lag_seconds", "From an event's timestamp until it was taken in."}},
    {Timing::heartbeat,
     {"rollbackd_heartbeat_round_trip_seconds",
      "From writing a row of ops.heartbeats until it had been committed, rung, seen and "
      "judged."}},
    {Timing::judgement,
     {"rollbackd_judgement_duration_seconds",
      "How long it took to judge one thing that happened, and to hand on what follows."}},
    {Timing::journal_commit,
     {"rollbackd_journal_commit_duration_seconds", "How long one transaction took."}},
    {Timing::snapshot, {"rollbackd_snapshot_duration_seconds", "How long a system snapshot took."}},
    {Timing::sample,
     {"rollbackd_sample_duration_seconds", "How long a sample of the database took."}},
    {Timing::http_request,
     {"rollbackd_http_request_duration_seconds", "From a whole request to its answer."}},
    {Timing::notification,
     {"rollbackd_notification_duration_seconds", "How long one message to people took."}},
    {Timing::response_times_poll,
     {"rollbackd_response_times_poll_duration_seconds",
      "How long one question for response times took."}},
};
static_assert(has_all(timings, Timing::response_times_poll));

}  // namespace

MetricRow row_of(Count what) { return row_in(counts, what); }
MetricRow row_of(Level what) { return row_in(levels, what); }
MetricRow row_of(Timing what) { return row_in(timings, what); }

}  // namespace rollbackd::engine
