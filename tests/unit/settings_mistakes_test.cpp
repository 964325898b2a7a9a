#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "engine/settings.hpp"

namespace rollbackd::engine {
namespace {

// All problems as check-config prints them, without the name of the file.
std::string bad(std::string_view yaml, const std::filesystem::path& folder = {}) {
  const LoadedSettings loaded = read_settings(yaml, folder);
  std::string text;
  if (const auto* problems = std::get_if<std::vector<SettingsProblem>>(&loaded)) {
    for (const SettingsProblem& problem : *problems) {
      text += (text.empty() ? "" : "\n") + describe("f", problem);
    }
  }
  return text;
}

// A folder with secret files, gone at the end of the test.
class SecretFolder {
 public:
  SecretFolder() {
    std::string name = std::filesystem::temp_directory_path() / "rollbackd-settings-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~SecretFolder() { std::filesystem::remove_all(path_); }
  SecretFolder(const SecretFolder&) = delete;
  SecretFolder& operator=(const SecretFolder&) = delete;

  void put(const std::string& name, std::string_view content) const {
    std::ofstream{path_ / name, std::ios::binary} << content;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct BadInput {
  std::string_view yaml;
  std::string_view expected;
};

const std::vector<BadInput> bad_shape{
    {"- 1", "f:1:1: the file is a list, expected keys and values"},
    {"http: [1]", "f:1:7: http is a list, expected keys and values"},
    {"http: yes", "f:1:7: http is a single value, expected keys and values"},
    {"triggers:", "f:1:1: triggers is empty, expected a list of triggers ([] for none)"},
    {"mode: auto\n---\nmode: auto", "f:2:1: a second YAML document, expected one"},
    {"mode: [auto", "f:1:1: no YAML (end of sequence flow not found), expected \"key: value\""},
    {"? [a]\n: 1", "f:1:3: a key that is no text, expected a name"},
    {"rollback:\n  verify: {windw: 1s}",
     "f:2:12: unknown key \"windw\" in rollback.verify, expected window, healthy_below or "
     "health_url; did you mean \"window\"?"},
    {"probation: 5 min",
     "f:1:12: probation is \"5 min\", expected a duration such as 250ms, 60s, 5m, 1h or 400d; "
     "did "
     "you mean \"5m\"?"},
    {"probation: 0s", "f:1:12: probation is 0s, expected at least 1s"},
    {"probation: -5s",
     "f:1:12: probation is \"-5s\", expected a duration such as 250ms, 60s, 5m, 1h or 400d"},
    {"probation: 1.5h",
     "f:1:12: probation is \"1.5h\", expected a duration such as 250ms, 60s, 5m, 1h or 400d"},
    {"probation: 99999999999999d",
     "f:1:12: probation is \"99999999999999d\", expected a duration such as 250ms, 60s, 5m, 1h "
     "or "
     "400d"},
    {"blame_window: 999ms", "f:1:15: blame_window is 999ms, expected at least 1s"},
    {"rollback: {stale_after: 0s}", "f:1:25: rollback.stale_after is 0s, expected at least 1s"},
    {"rollback: {command: {timeout: 0s}}",
     "f:1:31: rollback.command.timeout is 0s, expected at least 1s"},
    {"rollback: {verify: {window: 16m}}",
     "f:1:29: rollback.verify.window is 16m, expected 1s to 15m"},
    {"rollback: {verify: {healthy_below: 0}}",
     "f:1:36: rollback.verify.healthy_below is 0, and no rate is below that, expected a number "
     "above 0 (errors per minute)"},
};

const std::vector<BadInput> bad_triggers{
    {"triggers: [{name: a, signal: errors_per_minute, window: 30s, above: 1}]",
     "f:1:57: triggers[0].window is 30s, expected 1m to 15m"},
    {"triggers: [{name: a, signal: errors, window: 16m, above: 1}]",
     "f:1:46: triggers[0].window is 16m, expected 1s to 15m"},
    {"triggers: [{name: a, signal: errors, window: 1500ms, above: 1}]",
     "f:1:46: triggers[0].window is 1500ms, expected whole seconds"},
    {"triggers: [{name: a, signal: errors, above: 1}]",
     "f:1:12: triggers[0] has no window, expected window: 1s to 15m"},
    {"triggers: [{name: a, signal: memory_utilisation, window: 60s, above: 1}]",
     "f:1:58: triggers[0].window is given for memory_utilisation, expected now, or no window"},
    {"triggers: [{name: a, signal: error_per_minute, window: 60s, above: 1}]",
     "f:1:30: triggers[0].signal is \"error_per_minute\", expected errors_per_minute, errors, "
     "connection_utilisation, response_time_p95, memory_utilisation or alert; did you mean "
     "\"errors_per_minute\"?"},
    {"triggers: [{name: a, signal: errors, window: 60s, above: -1}]",
     "f:1:58: triggers[0].above is \"-1\", expected a number of 0 or more"},
    {"triggers: [{name: a, signal: errors, window: 60s, above: .nan}]",
     "f:1:58: triggers[0].above is \".nan\", expected a number of 0 or more"},
    {"triggers: [{name: a, signal: errors, window: 60s, above: nan}]",
     "f:1:58: triggers[0].above is \"nan\", expected a number of 0 or more"},
    {"triggers: [{signal: errors, window: 60s}]",
     "f:1:12: triggers[0] has no name, expected a name of at most 100 characters in one line\n"
     "f:1:12: triggers[0] has no threshold, expected above: a number of 0 or more"},
    {"triggers: [{name: a, signal: alert}]",
     "f:1:12: triggers[0] has no alert, expected alert: the name of an alert, of at most 500 "
     "characters"},
    {"triggers: [{name: a, signal: alert, alert: B, above: 1}]",
     "f:1:54: triggers[0].above is never exceeded: an alert is 0 or 1, expected above: 0, or leave "
     "it out"},
    {"triggers: [{name: a, signal: errors, window: 60s, above: 1, alert: B}]",
     "f:1:68: triggers[0].alert is given for errors, expected signal: alert"},
    {"triggers: [{name: a, signal: alert, alert: B, window: 60s}]",
     "f:1:55: triggers[0].window is given for alert, expected now, or no window"},
    {"triggers: [{name: a, signal: errors, window: 60s, above: 1, action: deploy}]",
     "f:1:69: triggers[0].action is \"deploy\", expected rollback or warn"},
    {"triggers: [{name: a, signal: errors, window: 60s, above: 1, for: 3}]",
     "f:1:66: triggers[0].for is 3 without a unit, expected a duration such as 250ms, 60s, 5m, "
     "1h "
     "or 400d; did you mean \"3s\"?"},
    {"triggers:\n  - {name: a, signal: errors, window: 60s, above: 1}\n"
     "  - {name: a, signal: errors, window: 60s, above: 2}",
     "f:3:5: triggers[1] has the name \"a\" of a row before it, expected a name of its own"},
};

const std::vector<BadInput> bad_execution{
    {"rollback: {command: {argv: []}}",
     "f:1:28: rollback.command.argv is empty, expected the program and its arguments"},
    {"rollback: {command: {argv: deploy.sh}}",
     "f:1:28: rollback.command.argv is a single value, expected a list: the program and its "
     "arguments"},
    {"rollback: {command: {argv: [\"\"]}}",
     "f:1:29: rollback.command.argv[0] is empty, expected a program"},
    {"rollback: {command: {argv: [\"{version}\"]}}",
     "f:1:29: rollback.command.argv[0] holds {version}, expected a program, which no placeholder "
     "may choose"},
    {"rollback: {command: {argv: [a, \"{git_comit}\"]}}",
     "f:1:32: rollback.command.argv[1] holds {git_comit}, expected event_id, deployment_id, "
     "environment, service, version or git_commit; did you mean \"git_commit\"?"},
    {"rollback: {executor: comand}",
     "f:1:22: rollback.executor is \"comand\", expected command, github or webhook; did you mean "
     "\"command\"?"},
    {"rollback: {executor: github}",
     "f:1:22: rollback.executor is github, and rollback.github.repository is missing, expected "
     "repository: owner/name"},
    {"rollback: {executor: github, github: {repository: a/b}}",
     "f:1:22: rollback.executor is github, and rollback.github.token_file is missing, expected "
     "token_file: the file of a token with the right actions: write"},
    {"rollback: {executor: webhook, webhook: {url: \"https://h/\"}}",
     "f:1:22: rollback.executor is webhook, and rollback.webhook.secret_file is missing, expected "
     "secret_file: the file of a secret, whsec_…"},
    {"rollback: {github: {repository: a/b}}",
     "f:1:11: rollback has no executor, and command is not configured, expected executor: github, "
     "or executor: webhook"},
    {"rollback: {executor: command, github: {repository: ../b}}",
     "f:1:52: rollback.github.repository is \"../b\", expected owner/name"},
    {"rollback: {executor: command, github: {workflow: a/b}}",
     "f:1:50: rollback.github.workflow is \"a/b\", expected the name of a file in "
     ".github/workflows, or a workflow's number"},
    {"rollback: {executor: command, github: {ref: -f}}",
     "f:1:45: rollback.github.ref is \"-f\", expected a branch or tag that holds the workflow"},
    {"rollback: {executor: command, github: {poll: 1ms}}",
     "f:1:46: rollback.github.poll is 1ms, expected 100ms to 1m"},
    {"rollback: {executor: command, webhook: {secret: abc}}",
     "f:1:49: rollback.webhook.secret does not begin with whsec_, expected whsec_ and the base64 "
     "of 24 to 64 random bytes (echo whsec_$(openssl rand -base64 32))"},
    {"rollback: {max_per_hour: 0}",
     "f:1:26: rollback.max_per_hour is \"0\", expected a whole number from 1 to 1000"},
    {"rollback: {verify: {health_url: \"http://example.com/\"}}",
     "f:1:33: rollback.verify.health_url is plain http to another machine, expected an https URL "
     "(plain http only to this machine)"},
    {"rollback: {verify: {health_url: \"http://127.0.0.1@example.com/\"}}",
     "f:1:33: rollback.verify.health_url holds a user name, expected an https URL (plain http "
     "only to this machine)"},
    {"rollback: {verify: {health_url: \"ftp://127.0.0.1/\"}}",
     "f:1:33: rollback.verify.health_url is no https URL, expected an https URL (plain http only "
     "to this machine)"},
    {"notify: {discord: {webhook_url: \"https:///x\"}}",
     "f:1:33: notify.discord.webhook_url names no host, expected an https URL (plain http only "
     "to "
     "this machine)"},
};

const std::vector<BadInput> bad_http{
    {"http: {listen: 9641}",
     "f:1:16: http.listen is \"9641\", expected an IP address and a port such as 127.0.0.1:9641"},
    {"http: {listen: \"example.com:80\"}",
     "f:1:16: http.listen is \"example.com:80\", expected an IP address and a port such as "
     "127.0.0.1:9641"},
    {"http: {listen: \"127.0.0.1:65536\"}",
     "f:1:16: http.listen is \"127.0.0.1:65536\", expected an IP address and a port such as "
     "127.0.0.1:9641"},
    {"http: {listen: \"::1:80\"}",
     "f:1:16: http.listen is \"::1:80\", expected an IP address and a port such as "
     "127.0.0.1:9641"},
    {"http: {tokens: [{name: ci, sha256: abc, scopes: [read]}]}",
     "f:1:36: http.tokens[0].sha256 is not 64 hexadecimal digits, expected the 64 hexadecimal "
     "digits of the token's SHA-256 (printf %s TOKEN | sha256sum)"},
    {"http:\n  tokens:\n  - name: ci\n"
     "    sha256: 00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff\n"
     "    scopes: [reed, write, record, record]",
     "f:5:14: http.tokens[0].scopes[0] is \"reed\", expected read, record, rollback or override; "
     "did you mean \"read\"?\n"
     "f:5:20: http.tokens[0].scopes[1] is \"write\", expected read, record, rollback or "
     "override\n"
     "f:5:35: http.tokens[0].scopes[3] is \"record\" again, expected each scope once"},
    {"http: {tokens: [{}]}",
     "f:1:17: http.tokens[0] has no name, expected a name to know its user by\n"
     "f:1:17: http.tokens[0] has no sha256, expected the 64 hexadecimal digits of the token's "
     "SHA-256 (printf %s TOKEN | sha256sum)\n"
     "f:1:17: http.tokens[0] has no scopes, expected scopes: a list of read, record, rollback or "
     "override"},
    {"feed: {doorbell: yes}", "f:1:18: feed.doorbell is \"yes\", expected auto, on or off"},
    {"log: {level: warn}", "f:1:14: log.level is \"warn\", expected debug, info, warning or error"},
    {"metrics: {max_services: 1.5}",
     "f:1:25: metrics.max_services is \"1.5\", expected a whole number from 0 to 10000"},
    {"metrics: {max_services: 10001}",
     "f:1:25: metrics.max_services is \"10001\", expected a whole number from 0 to 10000"},
    {"environments: {production/: {}}",
     "f:1:29: environments.production/ has an empty half, expected environment/service"},
    {"environments: {staging: {probation: 5, http: {}}}",
     "f:1:37: environments.staging.probation is 5 without a unit, expected a duration such as "
     "250ms, 60s, 5m, 1h or 400d; did you mean \"5s\"?\n"
     "f:1:40: unknown key \"http\" in environments.staging, expected mode, probation, "
     "blame_window, triggers or rollback"},
    {"database: {conninfo: \"\"}",
     "f:1:22: database.conninfo is empty, expected a libpq connection string"},
};

void check_all(const std::vector<BadInput>& inputs) {
  for (const BadInput& input : inputs) {
    CAPTURE(input.yaml);
    CHECK(bad(input.yaml) == input.expected);
  }
}

}  // namespace

TEST_CASE("settings: every mistake of a file is told in one go, in the order of the file") {
  CHECK(
      bad(R"(probation: 5
mode: atuo
htp: {}
rollback:
  confirm: 2s
  confirm: 3s
  cooldwn: 1m
)") ==
      R"(f:1:12: probation is 5 without a unit, expected a duration such as 250ms, 60s, 5m, 1h or 400d; did you mean "5s"?
f:2:7: mode is "atuo", expected auto, ask or shadow; did you mean "auto"?
f:3:1: unknown key "htp", expected database, http, mode, probation, blame_window, feed, triggers, environments, rollback, notify, discord, metrics, retention or log; did you mean "http"?
f:6:3: duplicate key "confirm", expected it once (it is in line 5)
f:7:3: unknown key "cooldwn" in rollback, expected executor, command, github, webhook, verify, confirm, settle, cooldown, max_per_hour, max_age, ask_expires, stale_after or migration_role; did you mean "cooldown"?)");
}

TEST_CASE("settings: a wrong shape or duration is named with its place and what was expected") {
  check_all(bad_shape);
}

TEST_CASE("settings: a trigger that cannot work is refused") { check_all(bad_triggers); }

TEST_CASE("settings: a command or URL that must not be used is refused") {
  check_all(bad_execution);
}

TEST_CASE("settings: wrong addresses, tokens and words are refused") { check_all(bad_http); }

TEST_CASE("settings: a mistake in a list of tokens never shows what could be a token") {
  CHECK(bad("http: {tokens: [{name: ci, sha256: s3cret, scopes: [read]}]}").find("s3cret") ==
        std::string::npos);
  CHECK(bad("http: {tokens: s3cret}").find("s3cret") == std::string::npos);
  CHECK(bad("http: {tokens: [s3cret]}").find("s3cret") == std::string::npos);
  CHECK(bad("notify: {discord: {webhook_url: 'http://h/s3cret'}}").find("s3cret") ==
        std::string::npos);
  CHECK(bad("database: {password: [s3cret]}").find("s3cret") == std::string::npos);
}

TEST_CASE("settings: more windows than fit are refused at the first that is too many") {
  std::string yaml = "triggers:\n";
  for (int i = 1; i <= 15; ++i) {
    yaml += "  - {name: t" + std::to_string(i) + ", signal: errors, window: " + std::to_string(i) +
            "s, above: 1}\n";
  }
  CHECK(bad(yaml) ==
        "f:16:41: triggers[14].window is one more different window, expected at most 16 "
        "of them, those of healthy (60s and 5m) included");
}

TEST_CASE("settings: a secret comes from a file, without the newline at its end") {
  const SecretFolder folder;
  folder.put("pg", "s3cret word\n");
  folder.put("dos", "s3cret\r\n");
  folder.put("empty", "\n");
  folder.put("two", "one\ntwo\n");
  const auto password = [&](const std::string& file) {
    const LoadedSettings loaded =
        read_settings("database: {password_file: " + file + "}", folder.path());
    return std::get<Settings>(loaded).database.password.reveal();
  };
  CHECK(password("pg") == "s3cret word");
  CHECK(password("dos") == "s3cret");
  CHECK(password((folder.path() / "pg").string()) == "s3cret word");

  const auto complaint = [&](const std::string& file) {
    return bad("database: {password_file: " + file + "}", folder.path());
  };
  const std::string end = ", expected a file that holds the secret";
  CHECK(complaint("none") ==
        "f:1:27: database.password_file names \"none\", which does not exist" + end);
  CHECK(complaint("empty") ==
        "f:1:27: database.password_file names \"empty\", which is empty" + end);
  CHECK(complaint("two") ==
        "f:1:27: database.password_file names \"two\", which holds more than one line" + end);
  CHECK(complaint(".") == "f:1:27: database.password_file names \".\", which cannot be read" + end);
  CHECK(bad("database: {password: a, password_file: pg}", folder.path()) ==
        "f:1:40: database.password_file is given beside password, expected one of the two");
}

TEST_CASE("settings: a file that cannot be read, or that is none, is a problem of the whole file") {
  const auto first = [](const std::filesystem::path& file) {
    return describe("f", std::get<std::vector<SettingsProblem>>(load_settings(file)).at(0));
  };
  CHECK(first("/nonexistent/rollbackd.yaml") ==
        "f: cannot be read (No such file or directory), expected a YAML file");
  CHECK(first("/").starts_with("f: cannot be read ("));
  CHECK(bad("") == "f: no settings, expected at least one (for the defaults alone, give no file)");
  CHECK(bad("# nothing yet\n").starts_with("f: no settings"));
  CHECK(bad("mode: \xff\n") == "f: no UTF-8, expected YAML in UTF-8");
  CHECK(bad(std::string(2'000'000, ' ')) == "f: larger than 1 MiB, expected a configuration");
  CHECK(bad(std::string(20'000, '[')).starts_with("f:1:"));
}

TEST_CASE("settings: a mistake is one line in UTF-8, whatever the file says") {
  CHECK(bad("mode: \"a\\nb\\e[31m\"").starts_with("f:1:7: mode is \"a?b?[31m\","));
  const std::string cut = "mode: a" + std::string(58, 'x') + "öö";
  CHECK(bad(cut).starts_with("f:1:7: mode is \"a" + std::string(58, 'x') + "ö…\","));
  CHECK(bad("environments: {\"a\\nb\": {mode: x}}")
            .starts_with("f:1:31: environments.a?b.mode is \"x\","));
}

}  // namespace rollbackd::engine
