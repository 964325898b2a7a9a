#include "engine/doctor/doctor.hpp"

#include <array>
#include <string_view>

#include "engine/database/conninfo.hpp"
#include "engine/doctor/checks.hpp"
#include "engine/within.hpp"

namespace rollbackd::engine {
namespace {

// Longer than any single question of a check may take; several hosts are tried one after the other.
constexpr rules::Duration check_max = rules::seconds{12};

struct Check {
  std::string_view name;
  Findings (*look)(Patient&);
  bool asks_database;
};

// In the order in which a person would look, what the others rest on first.
constexpr std::array checks{
    Check{"configuration", check_configuration, false},
    Check{"secrets", check_secrets, false},
    Check{"database", check_database, false},
    Check{"schema_version", check_version, true},
    Check{"schema", check_parts, true},
    Check{"rights", check_rights, true},
    Check{"row_level_security", check_row_security, true},
    Check{"role", check_role, true},
    Check{"statistics", check_statistics, true},
    Check{"listen", check_listen, true},
    Check{"prepared_transactions", check_prepared_transactions, true},
    Check{"doorbell", check_doorbell, true},
    Check{"clock", check_clock, true},
    Check{"connections", check_connections, true},
    Check{"indexes", check_indexes, true},
    Check{"logs", check_logs, true},
    Check{"severities", check_severities, true},
    Check{"targets", check_targets, true},
    Check{"pause", check_pause, true},
    Check{"leader", check_leader, true},
    Check{"migration_role", check_migration_role, true},
    Check{"command", check_command, false},
    Check{"github", check_github, false},
    Check{"webhook", check_webhook, false},
    Check{"health_url", check_health_url, false},
    Check{"discord", check_discord, false},
    Check{"discord_commands", check_discord_commands, false},
    Check{"http", check_http, false},
    Check{"tokens", check_tokens, false},
};

Findings look(const Check& check, Patient& patient) {
  try {
    return check.look(patient);
  } catch (const std::exception& e) {
    return {failed("it could not be looked at: " + one_line(e.what()),
                   check.asks_database ? "see the findings above, and the server's log" : "")};
  }
}

}  // namespace

std::string_view name_of(Health health) {
  constexpr std::array<std::string_view, 4> names{"ok", "warning", "failed", "skipped"};
  return names.at(static_cast<std::size_t>(health));
}

Findings examine(const std::shared_ptr<Patient>& patient,
                 const std::function<void(const Finding&)>& on_finding) {
  Findings all;
  bool is_stuck = false;  // the connection belongs to a check that hangs
  for (const Check& check : checks) {
    std::optional<Findings> found;
    if (check.asks_database && (is_stuck || !patient->connection)) {
      found = Findings{skipped(is_stuck ? "the database has stopped answering"
                                        : "there is no connection to the database")};
    } else {
      found = within(check_max, [patient, check] { return look(check, *patient); });
    }
    if (!found) {
      is_stuck = is_stuck || check.asks_database || check.look == check_database;
      found = Findings{
          failed("no answer within " + std::to_string(check_max / rules::seconds{1}) + " s",
                 "whatever it asks accepts connections and does not answer")};
    }
    for (Finding& finding : *found) {
      finding.check = check.name;
      on_finding(finding);
      all.push_back(finding);
    }
  }
  return all;
}

}  // namespace rollbackd::engine
