#include "engine/database/server_identity.hpp"

namespace rollbackd::engine {
namespace {

// The timeline of the WAL that is being written: pg_control_checkpoint() says the old one until the
// first checkpoint after a promotion. After a crash of one backend the postmaster is the same, and
// only the server's own processes are new; without pg_read_all_stats their start is hidden.
constexpr const char* identity_sql =
    "select (select system_identifier from pg_control_system()) || '/' ||"
    " case when pg_is_in_recovery() then 'standby'"
    "   else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end || '/' ||"
    " extract(epoch from coalesce("
    "   (select backend_start from pg_stat_activity where backend_type = 'checkpointer'),"
    "   pg_postmaster_start_time()))";

}  // namespace

std::string server_identity(pqxx::transaction_base& work) {
  return work.exec(identity_sql)[0][0].c_str();
}

std::string server_identity(pqxx::connection& connection) {
  pqxx::nontransaction work{connection};
  return server_identity(work);
}

void expect_server(const Connection& connection, pqxx::transaction_base& work,
                   const std::string& identity) {
  if (connection.is_pooled() && server_identity(work) != identity) {
    throw pqxx::broken_connection{"another server is behind the pooler now"};
  }
}

}  // namespace rollbackd::engine
