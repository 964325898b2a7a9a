#include "engine/settings.hpp"

#include <concepts>
#include <ostream>

#include <doctest/doctest.h>

namespace rollbackd::engine {
namespace {

using rules::minutes;
using rules::seconds;

Settings good(std::string_view yaml) {
  const LoadedSettings loaded = read_settings(yaml);
  if (const auto* problems = std::get_if<std::vector<SettingsProblem>>(&loaded)) {
    for (const SettingsProblem& problem : *problems) {
      MESSAGE(describe("yaml", problem));
    }
    FAIL("problems where none were expected");
  }
  return std::get<Settings>(loaded);
}

template <class T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
static_assert(!Printable<Secret>);
static_assert(!std::convertible_to<Secret, std::string>);

}  // namespace

TEST_CASE("settings: without a file everything has the default of the contract") {
  const Settings settings;
  CHECK(settings.database.conninfo.empty());
  CHECK(settings.http.listen == ListenAddress{"127.0.0.1", 9641});
  CHECK(settings.http.tokens.empty());
  CHECK(settings.http.rate_limit == 1000);
  CHECK(settings.doorbell == Doorbell::automatic);
  CHECK(settings.policies.of({"production", "app"}) == rules::Policy{});
  CHECK(settings.execution.command.timeout == minutes{10});
  CHECK(settings.max_services == 200);
  CHECK(settings.retention.roman_events == minutes{400 * 24 * 60});
  CHECK(settings.retention.response_times == minutes{7 * 24 * 60});
  CHECK(settings.retention.snapshots == minutes{90 * 24 * 60});
  CHECK(settings.retention.outbox == minutes{30 * 24 * 60});
  CHECK(settings.log.level == LogLevel::info);
  CHECK(settings.log.format == LogFormat::logfmt);
}

TEST_CASE("settings: the shipped example loads and says nothing but the defaults") {
  const LoadedSettings loaded =
      load_settings(std::filesystem::path{ROLLBACKD_SOURCE_DIR} / "config" / "rollbackd.yaml");
  if (const auto* problems = std::get_if<std::vector<SettingsProblem>>(&loaded)) {
    for (const SettingsProblem& problem : *problems) {
      FAIL_CHECK(describe("config/rollbackd.yaml", problem));
    }
    return;
  }
  const Settings& settings = std::get<Settings>(loaded);
  CHECK(settings.policies.of({"production", "app"}) == rules::Policy{});
  CHECK(settings.execution.command.argv.size() == 5);
  CHECK(settings.execution.command.timeout == ExecutionSettings{}.command.timeout);
  CHECK(settings.http.listen == HttpSettings{}.listen);
  CHECK(settings.retention == RetentionSettings{});
  CHECK(settings.http.rate_limit == HttpSettings{}.rate_limit);
  CHECK(settings.database.conninfo.reveal() ==
        "host=/var/run/postgresql dbname=app user=rollbackd");
}

TEST_CASE("settings: every key is read") {
  const Settings settings = good(R"(
database: {conninfo: "host=db", password: "it's"}
http:
  listen: "[::1]:0"
  tokens:
    - {name: ci, sha256: "00FF00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff", scopes: [read, override]}
mode: auto
probation: 90s
blame_window: 1d
feed: {doorbell: off}
triggers:
  - {name: few, signal: errors, window: 1s, above: 0.5, for: 250ms, action: warn}
rollback:
  executor: command
  command: {argv: [/bin/deploy, "--to={version}", '{"json": 1}'], timeout: 30s}
  verify: {window: 30s, healthy_below: 2.5, health_url: "http://127.0.0.1:8080/health"}
  confirm: 0s
  settle: 0s
  cooldown: 0s
  stale_after: 1m
notify: {discord: {webhook_url: "https://discord.com/api/webhooks/1/x"}}
metrics: {max_services: 3}
retention: {roman_events: 1d, response_times: 1h, snapshots: 2d, outbox: 3d}
log: {level: debug, format: json}
)");
  CHECK(settings.database.password.reveal() == "it's");
  CHECK(settings.http.listen == ListenAddress{"::1", 0});
  REQUIRE(settings.http.tokens.size() == 1);
  const HttpToken& token = settings.http.tokens[0];
  CHECK(token.name == "ci");
  CHECK(token.sha256[0] == 0x00);
  CHECK(token.sha256[31] == 0xff);
  CHECK(token.may(Scope::read));
  CHECK(token.may(Scope::override));
  CHECK_FALSE(token.may(Scope::rollback));
  CHECK(settings.doorbell == Doorbell::off);

  const rules::Policy& policy = settings.policies.of({"any", "thing"});
  CHECK(policy.probation == seconds{90});
  CHECK(policy.blame_window == minutes{24 * 60});
  REQUIRE(policy.triggers.size() == 1);
  CHECK(policy.triggers[0] == rules::Trigger{"few", rules::Signal::errors, 1, 0.5,
                                             std::chrono::milliseconds{250},
                                             rules::TriggerAction::warn});
  CHECK(policy.confirm == seconds{0});
  CHECK(policy.settle == seconds{0});
  CHECK(policy.cooldown == seconds{0});
  CHECK(policy.stale_after == minutes{1});
  CHECK(policy.verify_window == 30);
  CHECK(policy.verify_healthy_below == 2.5);
  CHECK(policy.verify_health_url);
  CHECK(settings.execution.command.argv ==
        std::vector<std::string>{"/bin/deploy", "--to={version}", R"({"json": 1})"});
  CHECK(settings.execution.command.timeout == seconds{30});
  CHECK(settings.execution.health_url == "http://127.0.0.1:8080/health");
  CHECK(settings.discord.webhook_url.reveal() == "https://discord.com/api/webhooks/1/x");
  CHECK(settings.max_services == 3);
  CHECK(settings.retention ==
        RetentionSettings{minutes{24 * 60}, minutes{60}, minutes{48 * 60}, minutes{72 * 60}});
  CHECK(settings.log.level == LogLevel::debug);
  CHECK(settings.log.format == LogFormat::json);
}

TEST_CASE("settings: the signal alert has the name of an alert, and needs no threshold") {
  const Settings settings = good(
      "triggers: [{name: slow, signal: alert, alert: CheckoutSlow, for: 1m, window: now},"
      " {name: down, signal: alert, alert: Down, above: 0.5, action: warn}]");
  const rules::Policy& policy = settings.policies.of({"any", "thing"});
  REQUIRE(policy.triggers.size() == 2);
  CHECK(policy.triggers[0] == rules::Trigger{"slow", rules::Signal::alert, 0, 0, minutes{1},
                                             rules::TriggerAction::rollback, "CheckoutSlow"});
  CHECK(policy.triggers[1].above == 0.5);
  CHECK(policy.triggers[1].alert == "Down");
}

TEST_CASE("settings: every key of the executors and guards is read") {
  const Settings settings = good(R"(
mode: ask
rollback:
  executor: github
  github:
    api_url: https://github.example/api/v3/
    repository: shop/api
    workflow: back.yml
    ref: release
    token: ghp_x
    timeout: 20m
    poll: 500ms
    lookup: 90s
  webhook:
    url: "http://127.0.0.1:9/deploy"
    secret: whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
    timeout: 5s
  max_per_hour: 2
  max_age: 1h
  ask_expires: 5m
  migration_role: migrator
environments:
  staging: {mode: shadow, rollback: {executor: webhook}}
  production/api: {mode: auto}
)");
  const rules::Policy& policy = settings.policies.of({"any", "thing"});
  CHECK(policy.mode == rules::Mode::ask);
  CHECK(policy.executor == "github");
  CHECK(policy.max_per_hour == 2);
  CHECK(policy.max_age == minutes{60});
  CHECK(policy.ask_expires == minutes{5});
  CHECK(policy.may_revert_migrations);
  const GithubSettings& github = settings.execution.github;
  CHECK(github.api_url == "https://github.example/api/v3");
  CHECK(github.repository == "shop/api");
  CHECK(github.workflow == "back.yml");
  CHECK(github.ref == "release");
  CHECK(github.token.reveal() == "ghp_x");
  CHECK(github.token_file.empty());
  CHECK(github.timeout == minutes{20});
  CHECK(github.poll == std::chrono::milliseconds{500});
  CHECK(github.lookup == seconds{90});
  CHECK(settings.execution.webhook.url.reveal() == "http://127.0.0.1:9/deploy");
  CHECK(settings.execution.webhook.timeout == seconds{5});
  CHECK(settings.execution.migration_role == "migrator");
  CHECK(settings.policies.of({"staging", "web"}).mode == rules::Mode::shadow);
  CHECK(settings.policies.of({"staging", "web"}).executor == "webhook");
  CHECK(settings.policies.of({"production", "api"}).mode == rules::Mode::automatic);
  CHECK(settings.policies.of({"production", "web"}).mode == rules::Mode::ask);
}

TEST_CASE("settings: a service inherits from its environment, that from everybody, key by key") {
  const Settings settings = good(R"(
probation: 2m
rollback:
  cooldown: 1m
  command: {argv: [/bin/deploy], timeout: 20s}
  verify: {window: 20s, health_url: "https://health.example/"}
environments:
  production/api:            # before its environment on purpose
    rollback: {confirm: 5s, command: {timeout: 7s}}
  production:
    probation: 10m
    rollback: {cooldown: 9m}
    triggers: [{name: one, signal: errors, window: 10s, above: 3}]
  staging/web:
    rollback: {verify: {health_url: null}}
)");
  const rules::Policy& api = settings.policies.of({"production", "api"});
  CHECK(api.probation == minutes{10});
  CHECK(api.cooldown == minutes{9});
  CHECK(api.confirm == seconds{5});
  CHECK(api.triggers.size() == 1);
  CHECK(api.verify_window == 20);
  CHECK(settings.execution_of({"production", "api"}).command.timeout == seconds{7});
  CHECK(settings.execution_of({"production", "api"}).command.argv.size() == 1);

  CHECK(settings.policies.of({"production", "other"}).confirm == seconds{2});
  CHECK(settings.execution_of({"production", "other"}).command.timeout == seconds{20});

  const rules::Policy& web = settings.policies.of({"staging", "web"});
  CHECK(web.probation == minutes{2});
  CHECK(web.cooldown == minutes{1});
  CHECK(web.triggers == rules::default_triggers());
  CHECK(web.verify_window == 20);
  CHECK_FALSE(web.verify_health_url);
  CHECK(settings.execution_of({"staging", "web"}).health_url.empty());
  CHECK(settings.execution_of({"staging", "db"}).health_url == "https://health.example/");
  CHECK(settings.policies.of({"staging", "db"}).verify_health_url);
}

}  // namespace rollbackd::engine
