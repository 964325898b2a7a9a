#include "engine/database/statement.hpp"

namespace rollbackd::engine {
namespace {

// `set`: "set" or "set local".
std::string settings(const std::string& set) {
  std::string sql;
  for (const char* setting : {"statement_timeout = '8s'", "lock_timeout = '2s'",
                              "idle_in_transaction_session_timeout = '10s'", "timezone = 'UTC'",
                              "tcp_user_timeout = '10s'", "datestyle = 'ISO, YMD'",
                              "search_path = pg_catalog, pg_temp"}) {
    sql += set + " " + setting + ";";
  }
  return sql;
}

}  // namespace

std::string setting_text(rules::Duration duration) {
  return std::to_string(duration.count() / 1000);
}

// greatest() and least() leave nulls out.
std::string microseconds_of(const std::string& moment) {
  return "(extract(epoch from case when " + moment + " is not null then least(greatest(" + moment +
         ", '0001-01-01'), '9999-12-31') end) * 1000000)::bigint";
}

void set_for_session(Connection& connection) {
  pqxx::nontransaction{connection}.exec(settings("set"));
}

Transaction begin(Connection& connection) {
  Transaction work = std::make_unique<pqxx::work>(connection);
  if (connection.is_pooled()) {
    work->exec(settings("set local"));
  }
  return work;
}

Transaction begin_single(Connection& connection) {
  return connection.is_pooled() ? begin(connection)
                                : std::make_unique<pqxx::nontransaction>(connection);
}

}  // namespace rollbackd::engine
