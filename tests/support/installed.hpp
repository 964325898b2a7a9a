#pragma once

#include <string>

#include "engine/store/schema.hpp"
#include "tests/support/postgres.hpp"

namespace rollbackd::tests {

struct Installed {
  engine::InstallOutcome outcome;
  std::string said;
};

// Installs our part into a database as its user. Throws std::runtime_error when that fails.
Installed install(const std::string& conninfo);

// The same, where nothing may be left over. What the installer said.
std::string install_into(const std::string& conninfo);

// What the daemon would miss there, in one line; empty: nothing.
std::string missing_in(const std::string& conninfo);

// Runs a script with psql up to its first error, which is thrown. What psql said.
std::string psql(const Postgres& postgres, const std::string& script,
                 const std::string& database = "app");

// The SQLSTATE a statement fails with, empty if it succeeds. Nothing of it stays.
std::string failure_of(pqxx::connection& connection, const std::string& sql);

std::string read_file(const std::filesystem::path& path);

// A server with everything installed into its database `app`.
struct InstalledPostgres : Postgres {
  explicit InstalledPostgres(PostgresOptions options = {}) : Postgres{std::move(options)} {
    install_into(conninfo());
  }
};

// One for all cases of a file, which `File` stands for: any type of its own.
template <typename File>
InstalledPostgres& server_of() {
  static InstalledPostgres started;
  return started;
}

// The same with a good deployment and a bad one after it, of the service `api`.
struct TwoDeployments : InstalledPostgres {
  std::string ask(const std::string& sql) const { return query(conninfo(), sql); }
  std::string deploy(const std::string& version) const {
    return ask(
        "insert into ops.deployments (environment, service, version, git_commit, git_branch,"
        " status) values ('production', 'api', '" +
        version + "', 'c', 'main', 'success') returning deployment_id");
  }

  std::string good = deploy("v1");
  std::string bad = deploy("v2");
};

}  // namespace rollbackd::tests
