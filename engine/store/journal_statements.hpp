#pragma once

#include <initializer_list>
#include <string>

#include <pqxx/pqxx>

#include "engine/database/connection.hpp"

namespace rollbackd::engine {

// What the journal writes with. Database errors come as libpqxx's exceptions.
enum class JournalStatement {
  insert_rollback,
  update_rollback,
  begin_step,  // what follows in the transaction is a rollback's step
  mark_rolled_back,
  insert_replacement,
  restore_deployment,
  fail_replacement,
  put_in_service,
  pass_probation,
  insert_roman_event,
  insert_alert,
};

// Call on every new connection of the journal's session.
void prepare_statements(Connection& connection);

// The SQL that runs the statement with these values, as many as it has parameters, and a semicolon.
// Several may be joined: what is sent to the server as one text is one transaction and one round
// trip.
std::string call_of(Connection& connection, JournalStatement statement,
                    std::initializer_list<std::string> values);

}  // namespace rollbackd::engine
