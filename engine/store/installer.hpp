#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <pqxx/pqxx>

#include "engine/database/connection.hpp"
#include "engine/database/conninfo.hpp"
#include "engine/result.hpp"
#include "engine/store/sql_script.hpp"

namespace rollbackd::engine {

// What a step came to.
struct StepOutcome {
  bool changed = false;
  std::vector<std::string> refused;  // statements this user may not run
};

// The statements that give the watched logs of people their indexes, in order, one a row.
inline constexpr const char* logs_index_statements_sql =
    "select s.statement from ops.watched_logs w join pg_class c on c.oid = w.log::oid"
    " cross join lateral ops.rollbackd_index_statements(w) as s (statement)"
    " where w.watched and w.log is distinct from to_regclass('ops.system_logs')";

// A connection on which SQL files are run as one installer. A broken connection throws
// pqxx::broken_connection, other failures pqxx::failure; `install` and `uninstall` catch them.
class Installer {
 public:
  static Result<std::unique_ptr<Installer>> open(const ConnectionInfo& info, std::ostream& out);
  ~Installer();

  // Waits until no other installer is at work.
  Status take_turn();

  // Runs a file in one transaction. A statement that is not allowed is left out, and so is what
  // cannot work without one that was; anything else that goes wrong undoes the whole file. Where a
  // table is locked for longer than 2 s, it lets everybody else pass and tries again. Says
  // "<title>: <verb>".
  Result<StepOutcome> run_file(const EmbeddedSql& file, std::string_view verb);

  // Builds an index without blocking anybody, also on a partitioned table; an invalid one is
  // dropped first.
  Result<StepOutcome> build(const IndexStatement& index);

  // The same for the watched logs of people, as ops.watch_error_log() would say it; adds to
  // `total`.
  Status build_for_logs(StepOutcome& total);

  // The first field of the first row, empty for null and for no row.
  std::string ask(const std::string& sql);
  void run(const std::string& sql);
  pqxx::connection& connection() { return *connection_; }

 private:
  class Warnings;

  Installer(std::unique_ptr<Connection> connection, std::ostream& out);

  StepOutcome run_statements(const EmbeddedSql& file);
  std::string fingerprint();
  // The index's state in pg_index as t or f, empty if there is none. `schema` quoted where needed.
  std::string is_valid(const std::string& schema, const std::string& name);
  StepOutcome build_on(const std::string& schema, const IndexStatement& index);
  StepOutcome build_partitioned(const IndexStatement& index);

  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Warnings> warnings_;
  std::ostream& out_;
  bool was_refused_ = false;  // so what depends on it may be missing
};

}  // namespace rollbackd::engine
