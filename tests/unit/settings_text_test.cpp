#include "engine/settings_text.hpp"

#include <doctest/doctest.h>

namespace rollbackd::engine {
namespace {

Settings read(const std::string& yaml) {
  const LoadedSettings loaded = read_settings(yaml);
  if (const auto* problems = std::get_if<std::vector<SettingsProblem>>(&loaded)) {
    for (const SettingsProblem& problem : *problems) {
      FAIL(describe("yaml", problem), yaml);
    }
  }
  return std::get<Settings>(loaded);
}

void check_same(const Settings& a, const Settings& b) {
  for (const rules::Service& service :
       {rules::Service{"production", "api"}, rules::Service{"production", "web"},
        rules::Service{"staging", "api"}, rules::Service{"elsewhere", "x"}}) {
    CAPTURE(service.environment);
    CHECK(a.policies.of(service) == b.policies.of(service));
    CHECK(a.execution_of(service) == b.execution_of(service));
  }
  CHECK(a.http.listen == b.http.listen);
  CHECK(a.doorbell == b.doorbell);
  CHECK(a.max_services == b.max_services);
  CHECK(a.log.level == b.log.level);
  CHECK(a.log.format == b.log.format);
}

constexpr const char* varied = R"(
http: {listen: "[::1]:1234"}
mode: ask
probation: 90s
feed: {doorbell: off}
triggers:
  - {name: "a \"quoted\" name", signal: errors, window: 7s, above: 0.125, for: 250ms, action: warn}
  - {name: memory, signal: memory_utilisation, above: 1e3}
environments:
  production: {mode: auto, triggers: [], rollback: {cooldown: 0s, verify: {window: 2m}}}
  production/api:
    mode: shadow
    rollback: {max_per_hour: 7, command: {argv: [deploy, "{version}", "back\\slash"]}}
  staging: {}
rollback: {executor: command, command: {argv: [deploy], timeout: 3m}, migration_role: migrator}
metrics: {max_services: 3}
log: {level: debug, format: json}
)";

}  // namespace

TEST_CASE("settings_text: what is printed reads back as the same settings") {
  for (const std::string yaml : {"mode: auto\n", varied}) {
    const Settings settings = read(yaml);
    check_same(read(settings_yaml(settings, "dbname=app")), settings);
  }
}

TEST_CASE("settings_text: of an environment or service only what differs is printed") {
  const std::string text = settings_yaml(read(varied), "");
  CHECK(text.find("  \"production/api\":\n    mode: shadow\n    rollback:\n      command:\n") !=
        std::string::npos);
  CHECK(text.find("  \"staging\": {}\n") != std::string::npos);
}

TEST_CASE("settings_text: no secret is printed, and each that is set is mentioned") {
  const Settings settings = read(R"(
database: {conninfo: "password=sesame1 dbname=app", password: sesame2}
http:
  tokens:
    - {name: ci, scopes: [read], sha256: 4c5dc9b7708905f77f5e5d16316b5dfb425e68cb326dcd55a860e90a7707031e}
rollback:
  executor: github
  github: {repository: a/b, token: sesame3}
  webhook: {url: "https://x.example/sesame4", secret: "whsec_c2VzYW1lNXNlc2FtZTVzZXNhbWU1c2VzYW1lNQ=="}
notify: {discord: {webhook_url: "https://discord.com/api/webhooks/1/sesame6"}}
)");
  const std::string text = settings_yaml(settings, "dbname=app");
  CHECK(text.find("sesame") == std::string::npos);
  CHECK(text.find("c2VzYW1l") == std::string::npos);
  CHECK(text.find("# token: set, not shown") != std::string::npos);
  CHECK(text.find("# password: set, not shown") != std::string::npos);
  CHECK(text.find("# secret: set, not shown") != std::string::npos);
  CHECK(text.find("# webhook_url: set, not shown") != std::string::npos);
  CHECK(text.find("# token \"ci\": sha256 4c5dc9b7…, scopes [read]") != std::string::npos);
}

}  // namespace rollbackd::engine
