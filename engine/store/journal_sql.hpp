#pragma once

#include <vector>

#include <pqxx/pqxx>

#include "engine/database/connection.hpp"
#include "rules/input.hpp"
#include "rules/output.hpp"

namespace rollbackd::engine {

// The journal's SQL. Database errors come as libpqxx's exceptions.

// One transaction, all or nothing, in one round trip. Throws also when a row is not as the rules
// believe. A lost connection leaves open whether it was committed.
// REQUIRES: prepare_statements() on this connection.
void write_entries(Connection& connection, const std::vector<rules::JournalEntry>& entries);

// The rollbacks of ours that are not over. Those that cannot be read are told in `problems`.
std::vector<rules::Rollback> read_active(pqxx::transaction_base& work,
                                         std::vector<std::string>& problems);

std::vector<rules::ServiceHistory> read_histories(pqxx::transaction_base& work);

}  // namespace rollbackd::engine
