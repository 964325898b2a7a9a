#include "engine/database/connection.hpp"

namespace rollbackd::engine {
namespace {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
// From libpqxx 7 on connections stay dead, and there is no such function.
template <class Connection>
void stay_dead(Connection& connection) {
  if constexpr (requires { connection.inhibit_reactivation(true); }) {
    connection.inhibit_reactivation(true);
  }
}
#pragma GCC diagnostic pop

}  // namespace

std::unique_ptr<pqxx::connection> open_connection(const std::string& conninfo) {
  auto connection = std::make_unique<pqxx::connection>(conninfo);
  stay_dead(*connection);
  return connection;
}

std::string sqlstate_of(const pqxx::failure& failure) {
  if (dynamic_cast<const pqxx::insufficient_privilege*>(&failure) != nullptr) {
    return "42501";
  }
  if (dynamic_cast<const pqxx::deadlock_detected*>(&failure) != nullptr) {
    return "40P01";
  }
  if (dynamic_cast<const pqxx::transaction_rollback*>(&failure) != nullptr) {
    return "40001";
  }
  const auto* error = dynamic_cast<const pqxx::sql_error*>(&failure);
  return error == nullptr ? std::string{} : error->sqlstate();
}

}  // namespace rollbackd::engine
