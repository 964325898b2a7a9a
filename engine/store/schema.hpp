#pragma once

#include <ostream>
#include <string>
#include <vector>

#include <pqxx/pqxx>

#include "engine/database/conninfo.hpp"
#include "engine/result.hpp"

// Our part of the database: putting it there, taking it away, and looking whether it is there. What
// it consists of is sql/triggers/, which is compiled in.
namespace rollbackd::engine {

struct InstallOptions {
  bool print = false;  // write the whole script for psql instead, and connect to nothing
};

struct InstallOutcome {
  bool changed = false;   // something in the database is not as it was
  std::string left_over;  // SQL for whoever may run it; empty: nothing is left to do
};

// Brings the database up to date: tables made by the original procedures, an older version of ours,
// a part that somebody removed. Loses nothing, locks nothing that is already right, and may run
// while daemon and applications are at work. Says in a line per step what it did. What this user
// may not do is written out as SQL, everything else is done; run again when somebody has run that.
// Two installers at the same time take turns.
Result<InstallOutcome> install(const ConnectionInfo& info, const InstallOptions& options,
                               std::ostream& out);

// Removes triggers, functions, our indexes, and the tables that only the daemon writes to; the
// others stay with their rows unless `purge`. Roles stay: they belong to the whole cluster.
Result<InstallOutcome> uninstall(const ConnectionInfo& info, bool purge, std::ostream& out);

// Something of the database that is not as it should be.
struct SchemaFinding {
  enum class About { parts, rights, row_security, role, statistics, indexes, logs, doorbell };
  About about = About::parts;
  std::string text;
};

// Whether the daemon can work with this database as this user.
struct SchemaState {
  std::vector<SchemaFinding> missing;   // parts, rights, row_security: it must not start
  std::vector<SchemaFinding> warnings;  // the others: it works, but not as it should

  [[nodiscard]] bool is_complete() const { return missing.empty(); }
  // One line: what is missing and how to mend it; empty if complete.
  [[nodiscard]] std::string problem() const;
};

// Fails only when the question could not be asked. Takes no locks and no time to speak of.
Result<SchemaState> check_schema(pqxx::connection& connection);

// What this program would install that the database has not, or has from a later program; empty: it
// is of this version. Throws what libpqxx throws.
std::string version_difference(pqxx::connection& connection);

}  // namespace rollbackd::engine
