#include "tests/support/stage.hpp"

#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace rollbackd::tests {
namespace {

// Seconds instead of minutes, so that a story is told in a few.
constexpr const char* short_timers = R"(
probation: 5m
rollback:
  executor: command
  command: {argv: ["/bin/sh", "-c", "echo $1 $2 $3 >> $0", "FILE", "{version}", "{git_commit}", "{service}"], timeout: 10s}
  verify: {window: 2s, healthy_below: 1}
  confirm: 1s
  settle: 1s
  cooldown: 3s
log: {level: debug}
)";

// The API's token in tests is "test-token"; "acting-token" may do everything.
constexpr const char* http_settings =
    "http: {listen: 127.0.0.1:0, tokens: [{name: test, scopes: [read], sha256: "
    "4c5dc9b7708905f77f5e5d16316b5dfb425e68cb326dcd55a860e90a7707031e}, {name: actor, scopes: "
    "[read, record, rollback, override], sha256: "
    "3fb12850323c3eb98fd7488e91bd7139d11d281ce47a6dc461ff637942bc105a}]}\n";

std::string replaced_in(std::string text, const std::string& what, const std::string& with) {
  const auto at = text.find(what);
  if (at == std::string::npos) {
    throw std::runtime_error{"the configuration of tests has no '" + what + "'"};
  }
  return text.replace(at, what.size(), with);
}

}  // namespace

Stage::Stage(const std::string& more, PostgresOptions options,
             const std::vector<std::pair<std::string, std::string>>& replaced, StageLink link)
    : link_{std::move(link)}, postgres_{std::move(options)} {
  std::string output;
  if (run_program({ROLLBACKD_PROGRAM, "install", "--conninfo", postgres_.conninfo()}, output) !=
      0) {
    throw std::runtime_error{"install failed:\n" + output};
  }
  connection_ = connect(postgres_.conninfo());
  folder_ = postgres_.directory();
  std::ofstream{program_file()} << "";
  configuration_ = "database: {conninfo: \"" + link_.conninfo(postgres_) + "\"}\n" + http_settings +
                   replaced_in(short_timers, "FILE", program_file()) + more;
  for (const auto& [what, with] : replaced) {
    configuration_ = replaced_in(configuration_, what, with);
  }
  daemon_ = std::make_unique<Daemon>(configuration_);
  wait_until_working(0);
}

Stage::~Stage() {
  if (test_failed || std::uncaught_exceptions() > 0) {
    std::cerr << "--- the daemon's log ---\n" << daemon_->log();
  }
}

void Stage::wait_until_working(std::size_t log_begins) const {
  eventually("the daemon to work", 60, [&] {
    const std::string log = daemon_->log().substr(log_begins);
    const auto says = [&](const char* event) { return log.find(event) != std::string::npos; };
    return says("event=http_listening") && (!link_.rings || says("event=doorbell_taken")) &&
           says("event=journal_read") && says("event=feed_rebuilt") &&
           metric("rollbackd_samples_total") != "0";
  });
}

void Stage::restart_daemon() {
  const std::size_t log_begins = daemon_->log().size();
  daemon_->start();
  wait_until_working(log_begins);
}

int Stage::connections_told() {
  std::ifstream in{std::string{ROLLBACKD_SOURCE_DIR} + "/config/README.md"};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  const std::string row = "| connections | ";
  const auto at = text.find(row);
  if (at == std::string::npos) {
    throw std::runtime_error{"config/README.md has no row about connections"};
  }
  return std::stoi(text.substr(at + row.size()));
}

int Stage::daemon_connections() {
  return std::stoi(
      ask("select count(*) from pg_stat_activity where application_name like 'rollbackd %'"));
}

void Stage::wait_for_connections() {
  eventually("all connections of the daemon", 60,
             [&] { return daemon_connections() == connections_told(); });
}

void Stage::wait_for_readiness(int status, const std::string& text, double seconds) const {
  HttpAnswer last;
  try {
    eventually("readiness", seconds, [&] {
      last = readiness();
      return last.status == status && last.body.find(text) != std::string::npos;
    });
  } catch (const std::runtime_error& e) {
    throw std::runtime_error{std::string{e.what()} + ": " + std::to_string(status) + " " + text +
                             "; it says " + std::to_string(last.status) + " " + last.body};
  }
}

int Stage::http_port() const {
  const std::string log = daemon_->log();
  const std::string word = "event=http_listening port=";
  const auto at = log.rfind(word);
  return at == std::string::npos ? 0 : std::stoi(log.substr(at + word.size()));
}

std::string Stage::metric(const std::string& series) const {
  const std::string text = http_request(http_port(), "GET", "/metrics").body;
  const std::string line = "\n" + series + " ";
  const auto at = text.find(line);
  if (at == std::string::npos) {
    return {};
  }
  const auto begin = at + line.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

void Stage::wait_for_metric(const std::string& series, const std::string& value) const {
  eventually((series + " to be " + value).c_str(), 60, [&] { return metric(series) == value; });
}

HttpAnswer Stage::check(const std::string& deployment_id) const {
  return http_request(http_port(), "POST", "/functions/v1/auto-rollback/check",
                      "{\"deployment_id\": \"" + deployment_id + "\"}", "test-token");
}

std::string Stage::disagreement(const std::string& deployment_id) {
  const auto numbers = [](const nlohmann::json& health) {
    return health.at("timestamp").get<std::string>() +
           " healthy=" + (health.at("healthy").get<bool>() ? "true" : "false") +
           " rate=" + std::to_string(health.at("error_rate_per_minute").get<double>()) +
           " recent=" + std::to_string(health.at("recent_errors").get<double>());
  };
  std::string memory;
  std::string sql;
  // Memory follows a commit by a millisecond or so; what differs at a quiet point goes on
  // differing.
  const auto compare = [&] {
    const HttpAnswer answer = check(deployment_id);
    if (answer.status != 200) {  // its windows are being rebuilt
      memory = answer.body;
      return false;
    }
    memory = numbers(nlohmann::json::parse(answer.body).at("health"));
    sql = numbers(nlohmann::json::parse(
        ask("select ops.get_deployment_health('" + deployment_id + "'::uuid)")));
    return memory == sql;
  };
  try {
    eventually("memory and SQL to agree", 30, compare);
  } catch (const std::runtime_error&) {
    return "memory: " + memory + "\nSQL:    " + sql;
  }
  return {};
}

std::string Stage::deploy(const std::string& version, const std::string& status,
                          const std::string& service, const std::string& environment) {
  return query(*connection_,
               "insert into ops.deployments (environment, service, version, git_commit, git_branch,"
               " status) values (" +
                   connection_->quote(environment) + ", " + connection_->quote(service) + ", " +
                   connection_->quote(version) + ", 'commit-of-" + version + "', 'main', '" +
                   status + "') returning deployment_id");
}

std::string Stage::deployed_long_ago(const std::string& version, const std::string& service) {
  return query(*connection_,
               "insert into ops.deployments (environment, service, version, git_commit, git_branch,"
               " status, deployed_at, health_check_passed) values ('production', " +
                   connection_->quote(service) + ", " + connection_->quote(version) +
                   ", 'commit-of-" + version +
                   "', 'main', 'success', now() - interval '2 hours', true)"
                   " returning deployment_id");
}

void Stage::log_errors(int count, const std::string& service) {
  for (int i = 0; i < count; ++i) {
    rows(*connection_,
         "insert into ops.system_logs (severity, source, message, service) values ('error', 'test',"
         " 'it broke', " +
             connection_->quote(service) + ")");
  }
}

std::string Stage::go_bad() {
  deployed_long_ago("v1");
  std::string bad = deploy("v2");
  wait_until_watched(bad);
  log_errors(6);
  return bad;
}

void Stage::wait_until_watched(const std::string& deployment_id) {
  daemon_->wait_for_log({"deployment_seen", deployment_id});
}

void Stage::wait_for_step(const std::string& step, const std::string& status) {
  eventually("a step of the rollback", 30, [&] {
    return ask("select count(*) from ops.rollback_events, unnest(rollback_steps) s"
               " where s->>'name' = '" +
               step + "' and s->>'status' = '" + status + "'") == "1";
  });
}

std::string Stage::wait_for_end(const std::string& deployment_id, double seconds) {
  std::string status;
  eventually("the end of the rollback", seconds, [&] {
    status = ask("select status from ops.rollback_events where deployment_id = '" + deployment_id +
                 "' and status not in ('pending', 'in_progress') order by id desc limit 1");
    return !status.empty();
  });
  return status;
}

int Stage::program_runs() const {
  std::string lines;
  run_program({"/usr/bin/wc", "-l", program_file()}, lines);
  return std::stoi(lines);
}

std::string Stage::running_version() const {
  std::ifstream in{program_file()};
  std::string last;
  for (std::string line; std::getline(in, line);) {
    last = line;
  }
  return last;
}

}  // namespace rollbackd::tests
