#include "tests/support/stage.hpp"

#include <fstream>
#include <stdexcept>

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

std::string with_file(std::string text, const std::string& file) {
  const auto at = text.find("FILE");
  return text.replace(at, 4, file);
}

}  // namespace

Stage::Stage(const std::string& more, PostgresOptions options) : postgres_{std::move(options)} {
  std::string output;
  if (run_program({ROLLBACKD_PROGRAM, "install", "--conninfo", postgres_.conninfo()}, output) != 0) {
    throw std::runtime_error{"install failed:\n" + output};
  }
  connection_ = connect(postgres_.conninfo());
  folder_ = postgres_.directory();
  std::ofstream{program_file()} << "";
  configuration_ = "database: {conninfo: \"" + postgres_.conninfo("rollbackd") + "\"}\n" +
                   "http: {listen: 127.0.0.1:0}\n" + with_file(short_timers, program_file()) + more;
  daemon_ = std::make_unique<Daemon>(configuration_);
  daemon_->wait_for_log({"doorbell_taken"});
  daemon_->wait_for_log({"journal_read"});
}

std::string Stage::deploy(const std::string& version,
                          const std::string& status,
                          const std::string& service,
                          const std::string& environment) {
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

void Stage::wait_until_watched(const std::string& deployment_id) {
  daemon_->wait_for_log({"deployment_seen", deployment_id});
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

std::string Stage::running_version() const {
  std::ifstream in{program_file()};
  std::string last;
  for (std::string line; std::getline(in, line);) {
    last = line;
  }
  return last;
}

}  // namespace rollbackd::tests
