#pragma once

#include <initializer_list>
#include <string>

#include <pqxx/pqxx>

#include "engine/database/connection.hpp"

namespace rollbackd::engine {

// What the journal writes with. Database errors come as libpqxx's exceptions.
enum class JournalStatement {
  check_epoch,  // fails when another daemon leads; nobody else can begin to before the commit
  insert_rollback,
  update_rollback,
  amend_rollback,  // of one that has ended, which stays as it ended
  set_initiator,
  begin_step,  // what follows in the transaction is a rollback's step
  mark_rolled_back,
  insert_replacement,
  restore_deployment,
  fail_replacement,
  put_in_service,
  settle_late,
  pass_probation,
  insert_roman_event,
  insert_alert,
  open_breaker,
  close_breaker,
  keep_request,
  set_pause,
};

// In the message of a check_epoch that failed.
inline constexpr const char* epoch_lost = "epoch_lost";

// Call on every new connection of the journal's session.
void prepare_statements(Connection& connection);

// The SQL that runs the statement with these values, as many as it has parameters, and a semicolon.
// Several may be joined: what is sent to the server as one text is one transaction and one round
// trip.
std::string call_of(Connection& connection, JournalStatement statement,
                    std::initializer_list<std::string> values);

}  // namespace rollbackd::engine
