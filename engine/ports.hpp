#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/result.hpp"
#include "engine/steady_time.hpp"
#include "rules/input.hpp"
#include "rules/output.hpp"
#include "rules/view.hpp"

// What the loop and the adapters need of each other. Nobody calls back: an adapter that has
// something to say posts an Input.
namespace rollbackd::engine {

// Where adapters put what happened. Any thread; never blocks.
class Inbox {
 public:
  virtual ~Inbox() = default;
  virtual void post(rules::Input input) = 0;
};

// The database's time as known here: a steady clock plus the offset last measured. Never goes back.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual rules::Instant now() const = 0;
};

// Runs each Commit as one transaction, in order, and posts CommitDone for each. Does not block.
// After one that failed it drops whatever it was handed, until read() has brought the truth back.
class Journal {
 public:
  virtual ~Journal() = default;
  virtual void write(const rules::Commit& commit) = 0;
  // Posts a JournalRead as soon as the database can be read.
  virtual void read() = 0;
};

// Starts an action and posts its answer when there is one. Does not block.
class Actions {
 public:
  virtual ~Actions() = default;
  virtual void start(const rules::Action& action) = 0;
  // The rollbacks whose deploy this process runs at this moment.
  [[nodiscard]] virtual std::vector<rules::EventId> running() const = 0;
};

// What was read right before a dispatch.
struct GateAnswer {
  enum class Verdict { open, paused, not_leading, unreadable };
  Verdict verdict = Verdict::unreadable;
  std::string detail;  // for people: who paused and why; what could not be read
  // What is open is so until then: this process may be stopped, or cut off, at any moment.
  SteadyTime until{};
};

// Reads the pause and the leader's epoch at this moment, for what is about to act outside.
class Gate {
 public:
  virtual ~Gate() = default;
  // Answers exactly once, on the reactor thread and never from within ask(), within 2 seconds.
  using OnAnswer = std::function<void(const GateAnswer&)>;
  virtual void ask(OnAnswer on_answer) = 0;
};

// What a person can ask of the rules. The number is set by whoever takes it.
using PersonsRequest =
    std::variant<rules::ManualRequest, rules::ApproveRequest, rules::AbortRequest,
                 rules::PauseRequest, rules::CloseBreakerRequest>;

// Where people's requests go in and answers come out. Reactor thread only.
class Desk {
 public:
  using OnState = std::function<void(const rules::Rollback&)>;

  // Keeps a watch alive; it ends with the last copy.
  using Watch = std::shared_ptr<OnState>;

  virtual ~Desk() = default;
  // Answers once, from within ask() or later.
  virtual void ask(PersonsRequest request, std::function<void(const rules::Answer&)> on_answer) = 0;
  // Tells each state of the rollback that is committed from now on, and first, at once, the last
  // that is known here.
  [[nodiscard]] virtual Watch watch(const rules::EventId& event, OnState on_state) = 0;
};

struct HistoryQuery {
  int limit = 10;
  std::optional<std::int64_t> before;  // rows with a smaller id; the next page
  std::string environment;             // empty, as below: any
  std::string service;
  std::string status;
  std::string trigger_type;
  std::optional<rules::DeploymentId> deployment;
};

struct DeploymentsQuery {
  int limit = 20;
  std::string environment;
  std::string service;
  std::string status;
  std::string version;
  std::optional<std::vector<rules::DeploymentId>> only;  // of these; nothing: of all
};

struct NewDeployment {
  std::string environment;
  std::string service;
  std::string version;
  std::string git_commit;
  std::string git_branch;
  rules::DeploymentStatus status = rules::DeploymentStatus::in_progress;
  std::string recorded_by;     // the token's name
  std::string initiated_by{};  // a person's uuid; empty: not told
  rules::Sender sender{};
};

// What an Alertmanager says of one alert: its labels are its fingerprint, so that what is told
// twice is known again.
struct IncomingAlert {
  std::string fingerprint;
  std::string name;
  rules::Service service;
  rules::Instant starts_at;
  std::optional<rules::Instant> resolved_at;  // nothing: it fires
  std::string summary;                        // for people
};

// What one delivery says: of each fingerprint one alert.
struct AlertDelivery {
  std::vector<IncomingAlert> alerts;
  std::size_t left_out = 0;  // those that are no service's, or were cut off before they came
};

struct StatusChange {
  rules::DeploymentId deployment;
  rules::DeploymentStatus status = rules::DeploymentStatus::in_progress;
  std::string initiated_by{};  // as above
  rules::Sender sender{};
};

// A request that was carried out before, as its sender's key finds it.
struct KeptRequest {
  std::string fingerprint;
  std::optional<rules::EventId> event;  // the rollback that it was about
  std::optional<int> status;            // of the answer; nothing: it was not given, or lost
  std::string answer;
};

// A request is known again by its key for so long, and of one token so many are known.
inline constexpr std::chrono::hours request_keys_kept{24};
inline constexpr int request_keys_max = 100'000;

// What people and pipelines read and write besides rollbacks. Answers are JSON texts of rows, as
// the tables have them; nothing: there is no such row. Given on the reactor thread.
class Archive {
 public:
  using OnText = std::function<void(const Result<std::optional<std::string>>&)>;

  virtual ~Archive() = default;
  virtual void history(const HistoryQuery& query, OnText on_text) = 0;
  virtual void event(const rules::EventId& event, OnText on_text) = 0;
  virtual void deployments(const DeploymentsQuery& query, OnText on_text) = 0;
  virtual void record(const NewDeployment& deployment, OnText on_text) = 0;
  // Of a row whose rollback keeps its status the answer shows the old one, and `event_id`.
  virtual void change_status(const StatusChange& change, OnText on_text) = 0;
  // Keeps what fires until it is told to be resolved. The answer counts them.
  virtual void take_alerts(AlertDelivery delivery, OnText on_text) = 0;

  // Whether a request of this sender and key was carried out within request_keys_kept.
  using OnKept = std::function<void(const Result<std::optional<KeptRequest>>&)>;
  virtual void recall(const rules::Sender& sender, OnKept on_kept) = 0;
  // Keeps what was answered to it; whoever recalls it afterwards gets that. As well as it can.
  virtual void keep_answer(const rules::Sender& sender, int status, const std::string& answer) = 0;
};

// The formats of the metrics that Prometheus asks for: its text, 0.0.4, and OpenMetrics, 1.0.0.
enum class Exposition { text, open_metrics };

// Sees what went in and what came out, to log and count it; changes nothing.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void took(const rules::Input& input) = 0;
  virtual void decided(const rules::Output& output) = 0;
  // `waited`: from handing the transaction over until its commit was confirmed.
  virtual void committed(const rules::Commit& commit, rules::Duration waited) = 0;
};

// What can be asked about the state in memory. Reactor thread only.
class View {
 public:
  virtual ~View() = default;
  // Nothing: no such deployment is known.
  [[nodiscard]] virtual std::optional<rules::CheckView> check(
      const rules::DeploymentId& id) const = 0;
  [[nodiscard]] virtual std::vector<rules::ServiceView> services() const = 0;
  // The windows were complete at least once since the start.
  [[nodiscard]] virtual bool has_windows() const = 0;
  [[nodiscard]] virtual bool is_complete() const = 0;
  [[nodiscard]] virtual rules::Second as_of() const = 0;
  [[nodiscard]] virtual std::size_t active_rollbacks() const = 0;
  // The pause, breakers and migrations as last read; nothing: not yet.
  [[nodiscard]] virtual const std::optional<rules::ControlRead>& control() const = 0;
  // Events stamped more than a minute ahead.
  struct EarlyEvents {
    std::uint64_t waiting = 0;  // for their time
    std::uint64_t dropped = 0;  // for want of room; the next recount finds them
  };
  [[nodiscard]] virtual EarlyEvents early_events() const = 0;
};

enum class LogLevel { debug, info, warning, error };

// Structured log. `event` is a fixed word of ours; whatever came from outside belongs into fields,
// where it is escaped. Any thread.
class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel level, std::string_view event, const rules::Fields& fields) = 0;

  void debug(std::string_view event, const rules::Fields& fields = {}) {
    write(LogLevel::debug, event, fields);
  }
  void info(std::string_view event, const rules::Fields& fields = {}) {
    write(LogLevel::info, event, fields);
  }
  void warning(std::string_view event, const rules::Fields& fields = {}) {
    write(LogLevel::warning, event, fields);
  }
  void error(std::string_view event, const rules::Fields& fields = {}) {
    write(LogLevel::error, event, fields);
  }
};

// The parts whose trouble makes the daemon not ready, as /readyz names them.
enum class Part {
  database,
  schema,
  leadership,
  listener,
  doorbell,
  windows,
  journal,
  sampler,
  control,
  canary
};

// What people should know of although the daemon is ready.
enum class Warning { doorbell_strangers, notify_queue };

// Where each part says how it is; /readyz shows it. Any thread.
class Board {
 public:
  virtual ~Board() = default;
  // An empty problem: it is well. Otherwise one line with the remedy.
  virtual void report(Part part, std::string problem) = 0;
  // An empty text: there is nothing to warn of any more.
  virtual void warn(Warning what, std::string text) = 0;
};

// Counters of adapters. Their names, help texts and labels are in
// engine/telemetry/metric_table.cpp.
enum class Count {
  feed_polls,
  feed_events,
  feed_bells,
  feed_strange_bells,
  feed_rebuilds,
  feed_gaps,
  feed_reconnects,
  feed_untimed_rows,
  feed_early_rows,
  feed_unknown_deployments,
  feed_unowned_events,
  feed_rows_skipped,
  audits,
  canaries,
  canaries_lost,
  heartbeats,
  heartbeats_failed,
  doorbell_silences,
  response_times,
  response_times_left_out,
  response_times_unattributed,
  response_times_dropped,
  response_times_recounts,
  journal_commits,
  journal_failures,
  samples,
  samples_failed,
  snapshots_failed,
  leadership_changes,
  notifications,
  notifications_put_off,
  notifications_refused,
  notification_channels_gone,
  alerts_in_firing,
  alerts_in_resolved,
  alerts_in_left_out,
  config_reloads,
  config_reloads_failed,
  http_errors,
};

enum class Level {
  database_up,
  feed_listening,
  feed_polling,
  doorbell_silent,
  feed_complete,
  window_drift,
  feed_foreign_rows,
  feed_unwatched_severities,
  canary_round_trip_seconds,
  canary_timestamp_seconds,
  heartbeat_timestamp_seconds,
  notify_lock_waiters,
  doorbell_strangers,
  notify_queue_usage_ratio,
  connection_utilisation_percent,
  memory_utilisation_percent,
  outbox_waiting,
  leader,
  leader_epoch,
  paused,
  paused_since_timestamp_seconds,  // 0: it is not
  breakers_open,
  alerts_in,
  response_times_complete,
  config_reload_successful,
  config_reload_timestamp_seconds,  // of the last one that was taken over
};

enum class Timing {
  feed_poll,
  feed_lag,
  heartbeat,
  judgement,
  journal_commit,
  snapshot,
  sample,
  http_request,
  notification,
  response_times_poll
};

// Any thread; never blocks.
class Meter {
 public:
  virtual ~Meter() = default;
  virtual void count(Count what, double n = 1) = 0;
  virtual void set(Level what, double value) = 0;
  virtual void observe(Timing what, double seconds) = 0;
  // A request was answered. The route as the API declares it; empty: it has none such.
  virtual void answered(std::string_view method, std::string_view route, int status) = 0;
};

}  // namespace rollbackd::engine
