#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <pqxx/pqxx>

#include "engine/database/connection.hpp"
#include "rules/input.hpp"
#include "rules/output.hpp"

namespace rollbackd::engine {

// The journal's SQL. Database errors come as libpqxx's exceptions.

// One transaction, all or nothing, in one round trip. Throws also when a row is not as the rules
// believe, and, with `epoch_lost` in the message, when the leader's epoch is another by now. A lost
// connection leaves open whether it was committed.
// REQUIRES: prepare_statements() on this connection.
void write_entries(Connection& connection, std::int64_t epoch,
                   const std::vector<rules::JournalEntry>& entries);

// The rollbacks and proposals of ours that are not over. Those that cannot be read are told in
// `problems`.
std::vector<rules::Rollback> read_active(pqxx::transaction_base& work,
                                         std::vector<std::string>& problems);

// Those that failed while what they dispatched may still turn up at `now`, the database's time.
std::vector<rules::Rollback> read_followed(pqxx::transaction_base& work,
                                           std::vector<std::string>& problems);

// Automatic ones whose claim was committed within limits::cap_window before `now`.
std::vector<rules::Claim> read_claims(pqxx::transaction_base& work, rules::Instant now);

std::vector<rules::ServiceHistory> read_histories(pqxx::transaction_base& work);

}  // namespace rollbackd::engine
