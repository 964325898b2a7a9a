#include "engine/store/schema.hpp"

#include <algorithm>

#include "engine/database/connection.hpp"
#include "engine/store/installer.hpp"
#include "engine/store/schema_check.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::string_view script_head =
    "-- For psql, as a user who may create roles and owns the tables that already exist.\n"
    "\\set ON_ERROR_STOP on\n"
    "set client_min_messages = warning;\n"
    "set search_path = pg_catalog, pg_temp;\n";

std::string version_row(const EmbeddedSql& file) {
  return "insert into ops.rollbackd_schema (version, name) values (" +
         std::to_string(number_of(file)) + ", '" + std::string{file.name} +
         "') on conflict (version) do update set name = excluded.name, installed_at = now(),"
         " by = session_user";
}

void print_script(std::ostream& out) {
  out << script_head;
  for (const EmbeddedSql& file : embedded_sql()) {
    if (number_of(file) == 0) {
      continue;
    }
    out << "\n-- " << file.name << "\n\n";
    if (!is_concurrent(file)) {
      out << "begin;\nset local lock_timeout = '2s';\n\n" << file.text << "\ncommit;\n";
      continue;
    }
    for (const IndexStatement& index : index_statements(file)) {
      out << "select format('drop index concurrently %s', indexrelid::regclass) from pg_index\n"
          << "  where indexrelid = to_regclass('ops." << index.name
          << "') and not indisvalid \\gexec\n"
          << index.statement << ";\n\n";
    }
    out << logs_index_statements_sql << " \\gexec\n";
  }
  for (const EmbeddedSql& file : embedded_sql()) {
    if (number_of(file) != 0) {
      out << version_row(file) << ";\n";
    }
  }
}

void add(InstallOutcome& total, const StepOutcome& step) {
  total.changed = total.changed || step.changed;
  for (const std::string& statement : step.refused) {
    total.left_over += statement;
  }
}

// A database that a later program has installed may not be turned back by an earlier one.
Status check_version(Installer& installer) {
  if (installer.ask("select to_regclass('ops.rollbackd_schema')").empty()) {
    return Done{};
  }
  int newest = 0;
  for (const EmbeddedSql& file : embedded_sql()) {
    newest = std::max(newest, number_of(file));
  }
  const std::string later = installer.ask("select name from ops.rollbackd_schema where version > " +
                                          std::to_string(newest) + " limit 1");
  if (!later.empty()) {
    return Error{"the database was installed by a later rollbackd: it has " + later,
                 "install with that version, or uninstall first"};
  }
  return Done{};
}

Result<StepOutcome> build_indexes(Installer& installer, const EmbeddedSql& file,
                                  std::ostream& out) {
  StepOutcome total;
  for (const IndexStatement& index : index_statements(file)) {
    const auto step = installer.build(index);
    if (!step) {
      return step.error();
    }
    total.changed = total.changed || step->changed;
    total.refused.insert(total.refused.end(), step->refused.begin(), step->refused.end());
  }
  if (const Status built = installer.build_for_logs(total); !built) {
    return built.error();
  }
  out << "indexes: "
      << (!total.refused.empty() ? "not all of it is allowed to this user"
          : total.changed        ? "installed"
                                 : "already installed")
      << std::endl;
  return total;
}

// Once all files ran: the first of them make the table.
void record_version(Installer& installer, const EmbeddedSql& file, bool changed) {
  if (installer.ask("select to_regclass('ops.rollbackd_schema')").empty()) {
    return;
  }
  if (changed || installer
                     .ask("select 1 from ops.rollbackd_schema where version = " +
                          std::to_string(number_of(file)))
                     .empty()) {
    installer.run(version_row(file));
  }
}

Result<InstallOutcome> install_all(Installer& installer, std::ostream& out) {
  InstallOutcome total;
  std::vector<std::pair<const EmbeddedSql*, bool>> done;
  for (const EmbeddedSql& file : embedded_sql()) {
    if (number_of(file) == 0) {
      continue;
    }
    const auto step = is_concurrent(file) ? build_indexes(installer, file, out)
                                          : installer.run_file(file, "installed");
    if (!step) {
      return step.error();
    }
    add(total, *step);
    done.emplace_back(&file, step->changed);
  }
  for (const auto& [file, changed] : done) {
    try {
      record_version(installer, *file, changed);
    } catch (const pqxx::failure& e) {
      if (sqlstate_of(e) != "42501") {
        throw;
      }
    }
  }
  if (total.left_over.empty()) {
    // What grants cannot mend, such as a restrictive policy, is said now and not when the daemon
    // fails.
    for (const SchemaFinding& missing : missing_for(installer.connection(), "rollbackd")) {
      out << "  WARNING: missing for the role rollbackd: " << missing.text << '\n';
    }
  }
  return total;
}

// Opens the connection, waits for other installers, and turns what the database throws into an
// Error.
template <class Work>
Result<InstallOutcome> with_installer(const ConnectionInfo& info, std::ostream& out, Work work) {
  try {
    auto installer = Installer::open(info, out);
    if (!installer) {
      return installer.error();
    }
    if (const Status turn = (*installer)->take_turn(); !turn) {
      return turn.error();
    }
    Result<InstallOutcome> outcome = work(**installer);
    (*installer)->run("select pg_advisory_unlock_all()");
    if (outcome && !outcome->left_over.empty()) {
      outcome->left_over =
          "-- The user " + (*installer)->ask("select current_user") +
          " may not run the following. Let a superuser or the owner of these objects run it,\n"
          "-- then do this again.\n\nset search_path = pg_catalog, pg_temp;\n\n" +
          outcome->left_over;
    }
    return outcome;
  } catch (const pqxx::failure& e) {
    return Error{"the database failed: " + one_line(e.what()),
                 "do it again; what was finished stays and is not done twice"};
  }
}

}  // namespace

Result<InstallOutcome> install(const ConnectionInfo& info, const InstallOptions& options,
                               std::ostream& out) {
  if (options.print) {
    print_script(out);
    return InstallOutcome{};
  }
  return with_installer(info, out, [&](Installer& installer) -> Result<InstallOutcome> {
    if (const Status version = check_version(installer); !version) {
      return version.error();
    }
    return install_all(installer, out);
  });
}

Result<InstallOutcome> uninstall(const ConnectionInfo& info, bool purge, std::ostream& out) {
  return with_installer(info, out, [&](Installer& installer) -> Result<InstallOutcome> {
    InstallOutcome total;
    std::vector<std::string_view> names{"uninstall.sql"};
    if (purge) {
      names.emplace_back("uninstall_purge.sql");
    }
    for (const std::string_view name : names) {
      const auto step = installer.run_file(sql_file(name), "removed");
      if (!step) {
        return step.error();
      }
      add(total, *step);
    }
    return total;
  });
}

}  // namespace rollbackd::engine
