#pragma once

#include <memory>
#include <string>
#include <utility>

#include <pqxx/pqxx>

#include "engine/database/connection.hpp"
#include "rules/time.hpp"

namespace rollbackd::engine {

// SQL under a name that is unique on its connection.
struct Statement {
  std::string name;
  std::string sql;
};

// A duration as the server's settings take it, in whole milliseconds.
std::string setting_text(rules::Duration duration);

// SQL for a timestamptz as microseconds since 1970, null for null. People write these columns: what
// rules::Instant cannot hold, infinity for instance, is the nearest that it can.
std::string microseconds_of(const std::string& moment);

using Transaction = std::unique_ptr<pqxx::transaction_base>;

// What every session of ours has set: no query may hang on a lock or hold one, times are UTC, and
// nobody's function answers in place of the system's. For a connection of one's own only.
void set_for_session(Connection& connection);

// Begins a transaction, and behind a pooler gives it those settings for itself.
Transaction begin(Connection& connection);

// The same for a single statement: without BEGIN and COMMIT where the session has the settings.
// commit() is to be called all the same.
Transaction begin_single(Connection& connection);

// Runs the statement: prepared by its first use where the session is our own, with its parameters
// sent along behind a pooler. REQUIRES: `work` is on `connection`.
template <class... Args>
pqxx::result run_statement(Connection& connection, pqxx::transaction_base& work,
                           const Statement& statement, Args&&... args) {
  if (connection.is_pooled()) {
    return work.exec_params(statement.sql, std::forward<Args>(args)...);
  }
  connection.prepare_once(statement.name, statement.sql);
  return work.exec_prepared(statement.name, std::forward<Args>(args)...);
}

}  // namespace rollbackd::engine
