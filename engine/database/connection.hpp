#pragma once

#include <memory>
#include <string>

#include <pqxx/pqxx>

namespace rollbackd::engine {

// A connection that, once lost, stays lost. libpqxx 6 by itself opens a lost one anew inside the
// next statement, without its locks and LISTENs. Throws pqxx::broken_connection.
std::unique_ptr<pqxx::connection> open_connection(const std::string& conninfo);

// The SQLSTATE of a failure; libpqxx 6 forgets it for some classes. Empty: the server said none.
std::string sqlstate_of(const pqxx::failure& failure);

}  // namespace rollbackd::engine
