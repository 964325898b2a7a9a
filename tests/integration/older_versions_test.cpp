#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "tests/support/daemon.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/procedures.hpp"

// Every version of the schema that there ever was, upgraded to this one. They are in the history of
// the repository; where that is not to be had (a tarball, a shallow clone), as many as there are.

namespace rollbackd::tests {
namespace {

// The lines that git says; nothing when it fails.
std::vector<std::string> git(std::vector<std::string> arguments) {
  std::vector<std::string> argv{"/usr/bin/git", "-C", ROLLBACKD_SOURCE_DIR};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  std::string output;
  std::vector<std::string> lines;
  if (run_program(argv, output) == 0) {
    std::istringstream in{output};
    for (std::string line; std::getline(in, line);) {
      lines.push_back(line);
    }
  }
  return lines;
}

// The script that installs the schema as that commit had it.
std::string script_of(const std::string& commit) {
  std::string script =
      "set client_min_messages = warning; set search_path = pg_catalog, pg_temp;\n";
  for (const std::string& file : git({"ls-tree", "--name-only", commit, "sql/triggers/"})) {
    const std::string name = file.substr(file.rfind('/') + 1);
    if (!name.ends_with(".sql") || name[0] < '0' || name[0] > '9') {
      continue;
    }
    const bool concurrent = name.find("concurrently") != std::string::npos;
    script += concurrent ? "" : "begin;\n";
    for (const std::string& line : git({"show", commit + ":" + file})) {
      script += line + '\n';
    }
    script += concurrent ? "" : "commit;\n";
  }
  return script;
}

// Each different state of the files once, oldest first; that of today is not older.
std::vector<std::string> older_versions() {
  std::vector<std::string> commits;
  std::set<std::string> known;
  for (const std::string& now : git({"rev-parse", "HEAD:sql/triggers"})) {
    known.insert(now);
  }
  for (const std::string& commit :
       git({"log", "--reverse", "--format=%H", "--", "sql/triggers/*.sql"})) {
    const auto tree = git({"rev-parse", commit + ":sql/triggers"});
    if (!tree.empty() && known.insert(tree[0]).second) {
      commits.push_back(commit);
    }
  }
  return commits;
}

// What every version had room for.
constexpr const char* some_rows = R"(
insert into ops.deployments (environment, version, git_commit, git_branch, status)
  values ('production', '1', 'c', 'main', 'success'), ('qa', '2', 'c', 'main', 'in_progress');
insert into ops.system_logs (severity, source, message) values ('error', 's', 'm'), ('info', 's', 'm');
insert into ops.response_times (duration_ms) values (1);
insert into ops.rollback_events (deployment_id, trigger_type, trigger_reason, status, environment, service, metadata)
  select deployment_id, 'automatic', 'r', 'failed', 'production', 'app', '{"written_by": "rollbackd"}'
  from ops.deployments where version = '1';
insert into ops.roman_events (event_type, severity) values ('warning', 'info');
insert into ops.migration_history (migration_name, migration_hash) values ('n', 'h');
select ops.create_system_snapshot(deployment_id, 'pre_deployment') from ops.deployments;
insert into ops.outbox (kind, payload) values ('failed', '{}');
update ops.control set paused = true, paused_by = 'somebody', reason = 'r', since = now();
)";

}  // namespace

TEST_CASE("every older version of the schema is upgraded in place and loses nothing") {
  const std::vector<std::string> versions = older_versions();
  if (versions.empty()) {
    MESSAGE("skipped: the history of the repository is not here");
    return;
  }
  const Postgres postgres;
  int number = 0;
  for (const std::string& commit : versions) {
    CAPTURE(commit);
    const std::string database = "version_" + std::to_string(++number);
    rows(postgres.conninfo("postgres", "postgres"), "create database " + database);
    psql(postgres, script_of(commit) + some_rows, database);
    const std::string conninfo = postgres.conninfo("postgres", database);
    // The table of versions is renewed, and who leads may be somebody else by now.
    const Rows before{conninfo};
    const auto people_rows = [&] {
      std::istringstream lines{before.now()};
      std::string kept;
      for (std::string line; std::getline(lines, line);) {
        if (line.find("ops.rollbackd_schema:") == std::string::npos &&
            line.find("ops.watched_logs:") == std::string::npos) {
          kept += line + '\n';
        }
      }
      return kept;
    };
    const std::string there = people_rows();
    const Installed upgraded = install(conninfo);
    CHECK(upgraded.outcome.left_over == "");
    CHECK(people_rows() == there);
    CHECK(missing_in(postgres.conninfo("rollbackd", database)) == "");
    CHECK_FALSE(install(conninfo).outcome.changed);
  }
  MESSAGE(number << " older versions were upgraded");
}

}  // namespace rollbackd::tests
