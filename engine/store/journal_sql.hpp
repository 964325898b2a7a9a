#pragma once

#include <vector>

#include <pqxx/pqxx>

#include "rules/input.hpp"
#include "rules/output.hpp"

namespace rollbackd::engine {

// The journal's SQL. Database errors come as libpqxx's exceptions.

// Call on every new connection of the journal's session.
void prepare_journal(pqxx::connection& connection);

// Adds one entry to the transaction. Throws std::runtime_error when the row is not as the rules
// believe.
void write_entry(pqxx::transaction_base& work, const rules::JournalEntry& entry);

// The rollbacks of ours that are not over. Those that cannot be read are told in `problems`.
std::vector<rules::Rollback> read_active(pqxx::transaction_base& work,
                                         std::vector<std::string>& problems);

std::vector<rules::ServiceHistory> read_histories(pqxx::transaction_base& work);

}  // namespace rollbackd::engine
