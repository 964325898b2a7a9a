#include "engine/reload.hpp"

#include <string>

#include <doctest/doctest.h>

namespace rollbackd::engine {
namespace {

using Keys = std::vector<std::string>;

Settings read(const std::string& yaml) {
  LoadedSettings loaded = read_settings(yaml);
  if (const auto* problems = std::get_if<std::vector<SettingsProblem>>(&loaded)) {
    FAIL(problems->front().text);
  }
  return std::get<Settings>(std::move(loaded));
}

const std::string before = R"(
database: {conninfo: "host=/tmp dbname=app"}
triggers: [{name: e, signal: errors, window: 60s, above: 5}]
)";

Takeover taken(const std::string& after) {
  const Settings running = read(before);
  return take_over(running, running, read(after));
}

const rules::Service app{"production", "app"};

}  // namespace

TEST_CASE("reload: the same file changes nothing") {
  const Takeover same = taken(before);
  CHECK(same.changed.empty());
  CHECK(same.needs_restart.empty());
}

TEST_CASE("reload: each key that can change is taken over and named") {
  const std::vector<std::pair<std::string, std::string>> changes{
      {"http: {tokens: [{name: a, sha256: "
       "4c5dc9b7708905f77f5e5d16316b5dfb425e68cb326dcd55a860e90a7707031e, scopes: [read]}]}",
       "http.tokens"},
      {"mode: ask", "mode"},
      {"probation: 1m", "probation"},
      {"blame_window: 1m", "blame_window"},
      {"rollback: {cooldown: 1m}", "rollback"},
      {"rollback: {command: {argv: [/bin/true]}}", "rollback"},
      {"environments: {staging: {mode: shadow}}", "environments"},
      {"environments: {staging: {rollback: {command: {argv: [/bin/true]}}}}", "environments"},
      {"notify: {discord: {webhook_url: 'https://discord.example/x'}}", "notify.discord"},
      {"discord: {public_key: " + std::string(64, 'a') +
           ", application_id: 1, guild_id: 2, approver_roles: [3]}",
       "discord"},
      {"metrics: {max_services: 1}", "metrics"},
      {"retention: {outbox: 1d}", "retention"},
      {"log: {format: json}", "log"},
  };
  for (const auto& [line, key] : changes) {
    CAPTURE(line);
    const Takeover changed = taken(before + line + '\n');
    CHECK(changed.changed == Keys{key});
    CHECK(changed.needs_restart.empty());
  }
  const Takeover threshold = taken(
      "database: {conninfo: 'host=/tmp dbname=app'}\n"
      "triggers: [{name: e, signal: errors, window: 60s, above: 9}]\n");
  CHECK(threshold.changed == Keys{"triggers"});
  CHECK(threshold.settings.policies.of(app).triggers[0].above == 9);
}

TEST_CASE("reload: what cannot change keeps its value, is named by key, and stops nothing else") {
  const std::string triggers = "triggers: [{name: e, signal: errors, window: 60s, above: 5}]\n";
  const Takeover changed = taken(triggers +
                                 "database: {conninfo: 'host=/elsewhere', password: p}\n"
                                 "http: {listen: ':1'}\nfeed: {doorbell: off}\nmode: ask\n");
  CHECK(changed.needs_restart == Keys{"database", "http.listen", "feed.doorbell"});
  CHECK(changed.changed == Keys{"mode"});
  CHECK(changed.settings.database.conninfo.reveal() == "host=/tmp dbname=app");
  CHECK(changed.settings.database.password.empty());
  CHECK(changed.settings.http.listen == ListenAddress{});
  CHECK(changed.settings.doorbell == Doorbell::automatic);
}

TEST_CASE("reload: a window of a new length waits for a restart, with all that decides") {
  const std::string rest = "database: {conninfo: 'host=/tmp dbname=app'}\nmode: ask\n";
  const Takeover longer =
      taken(rest +
            "metrics: {max_services: 1}\nrollback: {command: {argv: [/bin/true]}}\n"
            "triggers: [{name: e, signal: errors, window: 120s, above: 9}]\n");
  CHECK(longer.needs_restart == Keys{"triggers.window or rollback.verify.window (2m is new)"});
  CHECK(longer.changed == Keys{"metrics"});
  CHECK(longer.settings.policies.of(app).mode == rules::Mode::automatic);
  CHECK(longer.settings.policies.of(app).triggers[0].above == 5);
  CHECK(longer.settings.execution.command.argv.empty());
  CHECK(taken(rest + "triggers: [{name: p, signal: response_time_p95, window: 60s, above: 1}]\n")
            .needs_restart == Keys{"triggers.window of response_time_p95 (1m is new)"});
  // A window that was there at the start may go and come back.
  const Settings started = read(before);
  const Takeover without = take_over(started, started, read(rest + "triggers: []\n"));
  CHECK(without.needs_restart.empty());
  CHECK(take_over(started, without.settings, read(before)).needs_restart.empty());
}

TEST_CASE("reload: a password in a file may have changed, which every connection sees by itself") {
  Settings started = read(before);
  started.database.password_file = "/run/secret";
  started.database.password = Secret{"old"};
  Settings wanted = started;
  wanted.database.password = Secret{"new"};
  CHECK(take_over(started, started, wanted).needs_restart.empty());
  wanted.database.password_file.clear();
  CHECK(take_over(started, started, wanted).needs_restart == Keys{"database"});
}

}  // namespace rollbackd::engine
