#pragma once

#include <string>

#include <pqxx/pqxx>

namespace rollbackd::engine {

// SQL for the last few events of a service before a rollback was decided, from all watched logs, as
// one jsonb array. `r` is the alias of a row with environment, service and initiated_at.
std::string sample_errors_of(pqxx::transaction_base& work, const std::string& r);

// The text of one SELECT over the events of all watched logs.
std::string events_query(pqxx::transaction_base& work);

}  // namespace rollbackd::engine
