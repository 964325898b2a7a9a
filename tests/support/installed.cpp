#include "tests/support/installed.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace rollbackd::tests {

Installed install(const std::string& conninfo) {
  std::ostringstream said;
  const auto outcome = engine::install({conninfo, ""}, {}, said);
  if (!outcome) {
    throw std::runtime_error{outcome.error().what + "; " + outcome.error().remedy};
  }
  return {outcome.value(), said.str()};
}

std::string install_into(const std::string& conninfo) {
  const Installed installed = install(conninfo);
  if (!installed.outcome.left_over.empty()) {
    throw std::runtime_error{"left over:\n" + installed.outcome.left_over};
  }
  return installed.said;
}

std::string missing_in(const std::string& conninfo) {
  const auto state = engine::check_schema(*connect(conninfo));
  if (!state) {
    throw std::runtime_error{state.error().what};
  }
  return state->problem();
}

std::string psql(const Postgres& postgres, const std::string& script, const std::string& database) {
  const auto file = postgres.directory() / "script.sql";
  const auto output = postgres.directory() / "script.out";
  std::ofstream{file} << script;
  const std::string command = (Postgres::bindir() / "psql").string() +
                              " -X -q -v ON_ERROR_STOP=1 -d '" +
                              postgres.conninfo("postgres", database) + "' -f '" + file.string() +
                              "' > '" + output.string() + "' 2>&1 < /dev/null";
  const int status = std::system(command.c_str());
  const std::string said = read_file(output);
  if (status != 0) {
    throw std::runtime_error{"psql: " + said};
  }
  return said;
}

std::string failure_of(pqxx::connection& connection, const std::string& sql) {
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

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file{path};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace rollbackd::tests
