#pragma once

#include "engine/doctor/finding.hpp"
#include "engine/doctor/patient.hpp"

// One function for each check of doctor.cpp's table. Each may block, and throws what libpqxx throws
// where it asks the database, whose connection is there then.
namespace rollbackd::engine {

// The configuration and this machine.
Findings check_configuration(Patient& patient);
Findings check_secrets(Patient& patient);
Findings check_http(Patient& patient);
Findings check_tokens(Patient& patient);
Findings check_command(Patient& patient);

// The server and the way to it. The first opens the connection.
Findings check_database(Patient& patient);
Findings check_listen(Patient& patient);
Findings check_prepared_transactions(Patient& patient);
Findings check_doorbell(Patient& patient);
Findings check_clock(Patient& patient);
Findings check_connections(Patient& patient);
Findings check_leader(Patient& patient);

// What is in the database.
Findings check_version(Patient& patient);
Findings check_parts(Patient& patient);
Findings check_rights(Patient& patient);
Findings check_row_security(Patient& patient);
Findings check_role(Patient& patient);
Findings check_statistics(Patient& patient);
Findings check_indexes(Patient& patient);
Findings check_logs(Patient& patient);
Findings check_severities(Patient& patient);
Findings check_targets(Patient& patient);
Findings check_pause(Patient& patient);
Findings check_migration_role(Patient& patient);

// What is asked elsewhere.
Findings check_github(Patient& patient);
Findings check_webhook(Patient& patient);
Findings check_health_url(Patient& patient);
Findings check_discord(Patient& patient);
Findings check_discord_commands(Patient& patient);

}  // namespace rollbackd::engine
