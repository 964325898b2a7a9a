#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "engine/store/schema.hpp"
#include "tests/support/postgres.hpp"

namespace rollbackd::tests {

// Installs our part into a database as this user; what the installer said. Throws when it fails or
// leaves something undone.
inline std::string install_into(const std::string& conninfo) {
  std::ostringstream said;
  const auto outcome = engine::install({conninfo, ""}, {}, said);
  if (!outcome) {
    throw std::runtime_error{outcome.error().what + "; " + outcome.error().remedy};
  }
  if (!outcome->left_over.empty()) {
    throw std::runtime_error{"left over:\n" + outcome->left_over};
  }
  return said.str();
}

// A server with everything installed into its database `app`.
struct InstalledPostgres : Postgres {
  explicit InstalledPostgres(PostgresOptions options = {}) : Postgres{std::move(options)} {
    install_into(conninfo());
  }
};

// The SQLSTATE a statement fails with, empty if it succeeds. Nothing of it stays.
inline std::string failure_of(pqxx::connection& connection, const std::string& sql) {
  pqxx::work work{connection};
  try {
    work.exec(sql);
    return {};
  } catch (const pqxx::insufficient_privilege&) {
    return "42501";  // libpqxx 6.4 leaves it out
  } catch (const pqxx::sql_error& e) {
    return e.sqlstate();
  }
}

}  // namespace rollbackd::tests
