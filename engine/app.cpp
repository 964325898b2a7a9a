#include "engine/app.hpp"

#include <csignal>
#include <optional>

#include "engine/actions/command.hpp"
#include "engine/actions/executors.hpp"
#include "engine/actions/github.hpp"
#include "engine/actions/health_probe.hpp"
#include "engine/actions/webhook.hpp"
#include "engine/app_readiness.hpp"
#include "engine/app_reload.hpp"
#include "engine/clock.hpp"
#include "engine/discord/commands.hpp"
#include "engine/feed/feed.hpp"
#include "engine/feed/response_times.hpp"
#include "engine/front_desk.hpp"
#include "engine/http/server.hpp"
#include "engine/loop.hpp"
#include "engine/notify/notifier.hpp"
#include "engine/notify/outbox.hpp"
#include "engine/onlookers.hpp"
#include "engine/outgoing/http_client.hpp"
#include "engine/store/control_reader.hpp"
#include "engine/store/dispatch_gate.hpp"
#include "engine/store/heartbeat.hpp"
#include "engine/store/journal.hpp"
#include "engine/store/leadership.hpp"
#include "engine/store/migrations.hpp"
#include "engine/store/records.hpp"
#include "engine/store/retention.hpp"
#include "engine/store/sampler.hpp"
#include "engine/store/snapshots.hpp"
#include "engine/telemetry/life_signs.hpp"
#include "engine/telemetry/pause_alarm.hpp"

namespace rollbackd::engine {
namespace {

// A call that libpq never returns from is ended within its own limit and this.
constexpr rules::Duration watchdog_every{250'000};
// How often a stopping daemon looks whether its last deploy has ended and is journaled.
constexpr rules::Duration stop_look_every{50'000};
// How long it waits for the journal alone: what could not be written is found again in the
// database.
constexpr rules::Duration stop_writing_max = rules::seconds{10};

ConnectionInfo connection_info(const Settings& settings) {
  return {settings.database.conninfo.reveal(), settings.database.password.reveal(),
          settings.database.password_file};
}

CommandSettings command_settings(const CommandExecution& configured) {
  CommandSettings chosen;
  chosen.argv = configured.argv;
  chosen.timeout = configured.timeout;
  return chosen;
}

NotifierSettings notifier_settings(const Settings& settings) {
  NotifierSettings chosen;
  chosen.webhook_url = settings.discord.webhook_url.reveal();
  return chosen;
}

}  // namespace

// In the order of construction: what is below is destroyed before what it uses.
struct App::Parts final : Inbox, Actions {
  Parts(const Settings& chosen, const Telemetry& telemetry,
        std::function<LoadedSettings()> read_again);

  void post(rules::Input input) override;
  void start(const rules::Action& action) override;
  [[nodiscard]] std::vector<rules::EventId> running() const override { return executors.running(); }

  Status begin();
  void lead(std::int64_t epoch);
  void follow();
  [[nodiscard]] Witnesses witnesses() const {
    return {leadership, control, feed, board, loop, time};
  }
  std::string scrape(Exposition format);
  void take(const rules::Input& input);
  void arm();
  void use(const Settings& changed);
  void watch();
  void stop(int signal);
  void stop_when_idle();

  // What one service has of this part of the settings.
  template <class Part>
  [[nodiscard]] auto own(Part ExecutionSettings::*part) {
    return [this, part](const rules::Service& service) {
      return settings.execution_of(service).*part;
    };
  }

  Settings settings;
  ConnectionInfo database;
  StructuredLog& log;
  Metrics& metrics;
  StatusBoard& board;
  asio::io_context reactor{1};
  DatabaseTime time;
  CommitLatency commit_latency;
  asio::steady_timer wake{reactor};
  asio::steady_timer watchdog{reactor};
  asio::steady_timer stopping{reactor};
  std::optional<SteadyTime> idle_since;  // while stopping: no deploy runs since
  asio::signal_set signals{reactor, SIGTERM, SIGINT};
  HttpClient outgoing{reactor.get_executor()};
  PostgresOutbox outbox;
  Notifier notifier;
  PostgresJournal journal;
  FrontDesk desk{[this](const rules::Input& input) { take(input); }};
  Onlookers onlookers;
  Loop loop;
  Command command;
  Github github;
  Webhook webhook;
  DispatchGate gate;
  Executors executors{{&command, &github, &webhook}, gate, *this, log};
  HealthProbe health_probe;
  Snapshots snapshots;
  ControlReader control;
  MigrationReverter migrations;
  PauseAlarm pause_alarm;
  Records records;
  Retention retention;
  Sampler sampler;
  Heartbeat heartbeat;
  Feed feed;
  ResponseTimesFeed response_times;
  Leadership leadership;
  DiscordCommands discord{{loop, desk, records, outgoing, log, reactor.get_executor(), wall_now,
                           [this] { return other_leader(witnesses()); }},
                          settings.discord};
  HttpServer http;
  LifeSigns life_signs{Supervisor::of_environment()};
  Reloader reloader;
};

App::Parts::Parts(const Settings& chosen, const Telemetry& telemetry,
                  std::function<LoadedSettings()> read_again)
    : settings{chosen},
      database{connection_info(settings)},
      log{telemetry.log},
      metrics{telemetry.metrics},
      board{telemetry.board},
      outbox{database, log},
      notifier{reactor, outgoing, outbox, metrics, log, notifier_settings(settings)},
      journal{
          database,
          time,
          commit_latency,
          *this,
          log,
          metrics,
          board,
          {[this] { notifier.wake(); },
           [this] { asio::post(reactor, [this] { leadership.give_up("the epoch is over"); }); }}},
      onlookers{telemetry.observer, desk},
      loop{settings.policies, time, journal, *this, onlookers},
      command{reactor, *this, log,
              [this](const rules::Service& service) {
                return command_settings(settings.execution_of(service).command);
              }},
      github{reactor, outgoing, time, *this, log, own(&ExecutionSettings::github)},
      webhook{outgoing, time, *this, log, own(&ExecutionSettings::webhook)},
      gate{reactor, database, log},
      health_probe{outgoing, *this, own(&ExecutionSettings::health_url)},
      snapshots{database, *this, log, metrics},
      control{reactor, database, *this, log, board},
      migrations{database, own(&ExecutionSettings::migration_role), *this, log},
      pause_alarm{log, metrics},
      records{reactor, database, log, metrics},
      retention{reactor, database, settings.retention, log},
      sampler{reactor, database, *this, log, metrics, board},
      heartbeat{reactor, database, log, metrics},
      feed{reactor,
           database,
           {settings.doorbell, settings.policies.window_lengths().back()},
           {time, commit_latency, *this, log, metrics, board}},
      response_times{reactor, database, settings.policies.response_time_lengths().back(),
                     *this,   log,      metrics},
      leadership{
          reactor, database, {[this](std::int64_t epoch) { lead(epoch); }, [this] { follow(); }},
          log,     metrics,  board},
      http{reactor,
           Api{{loop, time, desk, records, reactor.get_executor(),
                [this](Exposition format) { return scrape(format); },
                [this] { return readiness_of(witnesses()); },
                [this] { return other_leader(witnesses()); }, &discord, &settings.policies},
               settings.http.tokens,
               RateSettings::of(settings.http.rate_limit)},
           log, metrics},
      reloader{reactor,
               settings,
               {std::move(read_again), [this](const Settings& changed) { use(changed); },
                [this](bool successful) { metrics.configuration_read(successful, wall_now()); },
                [this] { return status_of(witnesses()); }},
               log,
               life_signs} {
  for (const auto& [method, path] : http.routes()) {
    metrics.expect(method, path);
  }
}

void App::Parts::post(rules::Input input) {
  asio::post(reactor, [this, input = std::move(input)] { take(input); });
}

void App::Parts::take(const rules::Input& input) {
  if (const auto* read = std::get_if<rules::ControlRead>(&input)) {
    pause_alarm.see(*read, steady_now());
  }
  const SteadyTime begun = steady_now();
  loop.take(input);
  metrics.observe(Timing::judgement, rules::in_seconds(steady_now() - begun));
  arm();
}

void App::Parts::start(const rules::Action& action) {
  struct Start {
    Parts& parts;
    void operator()(const rules::TakeSnapshot& wanted) const { parts.snapshots.take(wanted); }
    void operator()(const rules::Deploy& wanted) const { parts.executors.deploy(wanted); }
    void operator()(const rules::FollowDeploy& wanted) const { parts.executors.follow(wanted); }
    void operator()(const rules::CancelDeploy& wanted) const { parts.executors.cancel(wanted); }
    void operator()(const rules::RevertMigrations& wanted) const {
      parts.migrations.revert(wanted, parts.leadership.epoch());
    }
    void operator()(const rules::ReadControl& wanted) const { parts.control.read(wanted.number); }
    void operator()(const rules::RebuildWindows& wanted) const { parts.feed.rebuild(wanted); }
    void operator()(const rules::RecountResponseTimes& wanted) const {
      parts.response_times.recount(wanted.number);
    }
    void operator()(const rules::ProbeHealth& wanted) const { parts.health_probe.probe(wanted); }
  };
  std::visit(Start{*this}, action);
}

// The timer that brings the rules back when nothing happens but time.
void App::Parts::arm() {
  const auto at = loop.wake_at();
  if (!at) {
    wake.cancel();
    return;
  }
  wake.expires_after(std::max(rules::Duration{0}, *at - time.now()));
  wake.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      take(rules::Tick{});
    }
  });
}

std::string App::Parts::scrape(Exposition format) {
  metrics.set(Level::feed_polling, feed.polls_by_design().empty() ? 0 : 1);
  return metrics.scrape(loop, health_of(readiness_of(witnesses())), format);
}

// Reactor thread: what asks `settings` for a service's part sees the new one from now on.
void App::Parts::use(const Settings& changed) {
  const bool decides_otherwise = settings.policies != changed.policies;
  settings = changed;
  log.use(settings.log);
  metrics.set_max_services(settings.max_services);
  http.use(settings.http.tokens);
  notifier.use(settings.discord.webhook_url.reveal());
  discord.use(settings.discord);
  retention.use(settings.retention);
  if (decides_otherwise) {
    take(rules::PoliciesChanged{settings.policies});
  }
}

Status App::Parts::begin() {
  if (Status listening = http.listen(settings.http.listen); !listening) {
    return listening;
  }
  log.info("http_listening", {{"port", std::int64_t{http.port()}}});
  signals.async_wait([this](const boost::system::error_code& error, int signal) {
    if (!error) {
      stop(signal);
    }
  });
  watch();
  sampler.start();
  control.start();
  feed.start();
  leadership.start();
  reloader.start();
  life_signs.ready(status_of(witnesses()));
  return Done{};
}

void App::Parts::lead(std::int64_t epoch) {
  journal.lead(epoch);
  gate.lead(epoch);
  feed.lead();
  heartbeat.lead();
  journal.read();
  notifier.start();
  retention.lead();
}

void App::Parts::follow() {
  journal.follow();
  feed.follow();
  heartbeat.follow();
  notifier.stop();
  retention.follow();
  post(rules::LeadershipLost{});
}

void App::Parts::watch() {
  const SteadyTime now = steady_now();
  journal.end_if_stuck(now);
  outbox.end_if_stuck(now);
  snapshots.end_if_stuck(now);
  gate.end_if_stuck(now);
  control.end_if_stuck(now);
  migrations.end_if_stuck(now);
  records.end_if_stuck(now);
  retention.end_if_stuck(now);
  sampler.end_if_stuck(now);
  heartbeat.end_if_stuck(now);
  feed.end_if_stuck(now);
  response_times.end_if_stuck(now);
  leadership.end_if_stuck(now);
  life_signs.turn(now, progresses(witnesses()), [this] { return status_of(witnesses()); });
  watchdog.expires_after(watchdog_every);
  watchdog.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      watch();
    }
  });
}

void App::Parts::stop(int signal) {
  log.info("stopping", {{"signal", std::int64_t{signal}},
                        {"deploys_running", static_cast<std::int64_t>(executors.lost_with_us())}});
  life_signs.stopping(steady_now(), "stopping, when no deploy runs any more");
  reloader.stop();
  executors.stop_starting();
  stop_when_idle();
}

// A deploy that runs is waited for, and its end is journaled; everything else is left to the
// journal.
void App::Parts::stop_when_idle() {
  const SteadyTime now = steady_now();
  if (executors.lost_with_us() > 0 || !idle_since) {
    idle_since = now;
  }
  const bool gives_up = now - *idle_since > stop_writing_max;
  if (executors.lost_with_us() == 0 && (!loop.is_writing() || gives_up)) {
    reactor.stop();
    return;
  }
  stopping.expires_after(stop_look_every);
  stopping.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      stop_when_idle();
    }
  });
}

App::App(const Settings& settings, const Telemetry& telemetry,
         std::function<LoadedSettings()> read_again)
    : parts_{std::make_unique<Parts>(settings, telemetry, std::move(read_again))} {}

App::~App() = default;

Status App::run() {
  if (Status begun = parts_->begin(); !begun) {
    return begun;
  }
  parts_->reactor.run();
  parts_->http.close();
  parts_->notifier.stop();
  parts_->feed.stop();
  parts_->response_times.stop();
  parts_->sampler.stop();
  parts_->heartbeat.follow();
  parts_->control.stop();
  parts_->retention.stop();
  parts_->migrations.stop();
  parts_->leadership.stop();
  return Done{};
}

}  // namespace rollbackd::engine
