// What is in the database.

#include <functional>
#include <stdexcept>

#include "engine/database/statement.hpp"
#include "engine/doctor/checks.hpp"
#include "engine/feed/feed_sql.hpp"
#include "engine/store/schema.hpp"

namespace rollbackd::engine {
namespace {

using About = SchemaFinding::About;

constexpr const char* install_again =
    "run `rollbackd install` with the conninfo of an owner of the tables";

SchemaState state_of(Patient& patient) {
  auto state = check_schema(*patient.connection);
  if (!state) {
    throw std::runtime_error{state.error().what};
  }
  return std::move(*state);
}

// A finding for each that is missing, or the one that says that nothing is.
Findings missing(Patient& patient, About about, const std::string& all_is_well,
                 const std::string& remedy) {
  Findings found;
  for (const SchemaFinding& lack : state_of(patient).missing) {
    if (lack.about == about) {
      found.push_back(failed("missing: " + lack.text, remedy));
    } else if (lack.text == "the schema ops") {
      return {skipped("the schema ops is missing, see above")};
    }
  }
  if (found.empty()) {
    found.push_back(fine(all_is_well));
  }
  return found;
}

// The same for what it can work without. What is missing hides the warnings.
Findings warnings(Patient& patient, About about, const std::string& all_is_well,
                  const std::string& remedy) {
  const SchemaState state = state_of(patient);
  if (!state.is_complete()) {
    return {skipped("the schema is not complete, see above")};
  }
  Findings found;
  for (const SchemaFinding& lack : state.warnings) {
    if (lack.about == about) {
      found.push_back(warning(lack.text, remedy));
    }
  }
  if (found.empty()) {
    found.push_back(fine(all_is_well));
  }
  return found;
}

// A finding for each row of a question, made of its fields.
Findings for_each_row(Patient& patient, const std::string& sql,
                      const std::function<Finding(const pqxx::row&)>& make) {
  const Transaction work = begin(*patient.connection);
  Findings found;
  for (const pqxx::row& row : work->exec(sql)) {
    found.push_back(make(row));
  }
  return found;
}

std::string text_in(const pqxx::row& row, int column) { return row[column].as<std::string>(""); }

bool is_there(Patient& patient, const char* relation) {
  const Transaction work = begin(*patient.connection);
  return !work->exec_params("select to_regclass($1)", relation)[0][0].is_null();
}

}  // namespace

Findings check_version(Patient& patient) {
  const std::string difference = version_difference(*patient.connection);
  if (difference.empty()) {
    return {fine("the schema ops is of this version")};
  }
  const bool is_later = difference.find("later") != std::string::npos;
  return {failed("the schema ops is of another version: " + difference,
                 is_later ? "run that version of rollbackd, or a later one" : install_again)};
}

Findings check_parts(Patient& patient) {
  return missing(patient, About::parts, "all tables, columns, triggers and functions are there",
                 install_again);
}

Findings check_rights(Patient& patient) {
  return missing(patient, About::rights, "the role has every right it needs", install_again);
}

Findings check_row_security(Patient& patient) {
  return missing(patient, About::row_security, "no policy hides rows from this role",
                 "`rollbackd install` adds a policy for its roles; a restrictive one has to leave "
                 "them out: alter policy … to, with the roles that it is for");
}

Findings check_role(Patient& patient) {
  return warnings(patient, About::role, "the role has no rights that it does not need",
                  "connect as rollbackd, which `rollbackd install` makes");
}

Findings check_statistics(Patient& patient) {
  return warnings(patient, About::statistics, "the role sees all sessions",
                  "until then connections are counted by pg_stat_database, and who waits is not "
                  "seen");
}

Findings check_indexes(Patient& patient) {
  return warnings(patient, About::indexes, "all indexes are there and valid",
                  "without it each look reads the whole table");
}

Findings check_logs(Patient& patient) {
  Findings found = warnings(patient, About::logs, "", "select * from ops.watched_logs");
  for (Finding& finding : warnings(patient, About::doorbell, "", "the daemon polls meanwhile")) {
    if (finding.health == Health::warning) {
      found.push_back(std::move(finding));
    }
  }
  if (found.size() == 1 && found.front().health == Health::ok) {
    return for_each_row(
        patient,
        "select string_agg(w.log::text || ' (' || array_to_string(w.severities, ', ') || ')', ', '"
        " order by w.log::text) from ops.watched_logs w where w.watched",
        [](const pqxx::row& row) { return fine("watched: " + text_in(row, 0)); });
  }
  return found;
}

Findings check_severities(Patient& patient) {
  if (!is_there(patient, "ops.watched_logs")) {
    return {skipped("ops.watched_logs is missing, see above")};
  }
  Findings found =
      for_each_row(patient, std::string{"select w.log::text, v.value"} + unwatched_severities,
                   [](const pqxx::row& row) {
                     return warning(text_in(row, 0) + " has rows of severity \"" + text_in(row, 1) +
                                        "\", which do not count",
                                    "if they should: select ops.watch_error_log('" +
                                        text_in(row, 0) + "', p_severities => …)");
                   });
  if (found.empty()) {
    found.push_back(fine("no rows have a severity that looks bad and does not count"));
  }
  return found;
}

Findings check_targets(Patient& patient) {
  if (!is_there(patient, "ops.deployments")) {
    return {skipped("ops.deployments is missing, see above")};
  }
  Findings found = for_each_row(
      patient,
      "select c.environment || '/' || c.service, d.version,"
      " (select t.version from ops.get_rollback_target(d.deployment_id) t limit 1)"
      " from (select distinct environment, service from ops.deployments) c"
      " join ops.deployments d on d.deployment_id = ops.deployment_at(c.environment, c.service,"
      " now()) order by 1 limit 200",
      [](const pqxx::row& row) {
        const std::string what = text_in(row, 0) + " runs " + text_in(row, 1);
        return row[2].is_null()
                   ? warning(what + " and has nothing to go back to",
                             "a target is an earlier deployment of the service that is success and "
                             "passed its health check; the next deployment will have one when this "
                             "one has passed")
                   : fine(what + " and would go back to " + text_in(row, 2));
      });
  if (found.empty()) {
    found.push_back(skipped("no deployment is current"));
  }
  return found;
}

Findings check_pause(Patient& patient) {
  if (!is_there(patient, "ops.control") || !is_there(patient, "ops.breakers")) {
    return {skipped("ops.control or ops.breakers is missing, see above")};
  }
  Findings found = for_each_row(
      patient,
      "select coalesce(paused_by, 'somebody'), coalesce(reason, 'no reason given'),"
      " date_trunc('second', since)::text from ops.control where paused",
      [](const pqxx::row& row) {
        return warning(
            "PAUSED by " + text_in(row, 0) + " since " + text_in(row, 2) + ": " + text_in(row, 1),
            "rollbackctl resume, or: update ops.control set paused = false");
      });
  const Findings breakers = for_each_row(
      patient, "select environment, reason from ops.breakers where closed_at is null",
      [](const pqxx::row& row) {
        return warning("the breaker of " + text_in(row, 0) + " is open: " + text_in(row, 1),
                       "when that is understood: rollbackctl resume --breaker " + text_in(row, 0));
      });
  found.insert(found.end(), breakers.begin(), breakers.end());
  if (found.empty()) {
    found.push_back(fine("no pause and no open breaker"));
  }
  return found;
}

Findings check_migration_role(Patient& patient) {
  Findings found;
  for (const Deploying& each : deploying(patient.settings)) {
    const std::string& role = each.execution.migration_role;
    if (role.empty()) {
      continue;
    }
    const Transaction work = begin(*patient.connection);
    const pqxx::result rows = work->exec_params(
        "select pg_has_role(current_user, oid, 'member') from pg_roles where rolname = $1", role);
    if (rows.empty()) {
      found.push_back(
          failed("rollback.migration_role " + role + " of " + each.whose + " does not exist",
                 "make it: create role " + role));
    } else if (!rows[0][0].as<bool>()) {
      found.push_back(failed("this role may not become " + role + " for " + each.whose,
                             "grant " + role + " to rollbackd"));
    } else {
      found.push_back(fine("scripts of migrations of " + each.whose + " run as " + role));
    }
  }
  if (found.empty()) {
    found.push_back(skipped("rollback.migration_role is not set: no rollback scripts are run"));
  }
  return found;
}

}  // namespace rollbackd::engine
