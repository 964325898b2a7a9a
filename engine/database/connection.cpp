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

Connection::Connection(const std::string& conninfo) : pqxx::connection{conninfo} {
  stay_dead(*this);
}

// A pooler tells its clients numbers of its own.
void Connection::look_for_pooler() {
  const pqxx::result told = pqxx::nontransaction{*this}.exec("select pg_backend_pid()");
  pooled_ = told[0][0].as<int>() != backendpid();
}

void Connection::prepare_once(const std::string& name, const std::string& sql) {
  if (prepared_.insert(name).second) {
    prepare(name, sql);
  }
}

std::unique_ptr<Connection> open_connection(const std::string& conninfo) {
  auto connection = std::make_unique<Connection>(conninfo);
  connection->look_for_pooler();
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
