#include "engine/store/alerts.hpp"

#include <nlohmann/json.hpp>

#include "engine/database/statement.hpp"
#include "engine/time_text.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

// $1: the alerts. Both halves see the table as it was before; of one fingerprint there is one
// alert.
const Statement& take_statement() {
  static const Statement statement{
      "take_alerts",
      "with given as materialized (select * from jsonb_to_recordset($1::jsonb) as"
      "   g (fingerprint text, alert text, environment text, service text, starts_at timestamptz,"
      "      resolved_at timestamptz, summary text)),"
      " gone as (delete from ops.alerts a using given g"
      "   where g.fingerprint = a.fingerprint and g.resolved_at >= a.starts_at),"
      " kept as (insert into ops.alerts as a (fingerprint, alert, environment, service, starts_at,"
      "     summary)"
      "   select g.fingerprint, g.alert, g.environment, g.service, g.starts_at, g.summary"
      "   from (select g.*, k.fingerprint is not null as known, count(*) filter"
      "       (where k.fingerprint is null) over (order by g.starts_at, g.fingerprint) as nth"
      "     from given g left join ops.alerts k on k.fingerprint = g.fingerprint"
      "     where g.resolved_at is null) g"
      "   where g.known or (select count(*) from ops.alerts) + g.nth <= " +
          std::to_string(rules::limits::alerts_max) +
          "   on conflict (fingerprint) do update"
          "     set starts_at = excluded.starts_at, summary = excluded.summary, told_at = now()"
          "   returning 1)"
          " select (select count(*) from kept),"
          "  count(*) filter (where resolved_at is not null),"
          "  count(*) filter (where resolved_at is null) - (select count(*) from kept) from given"};
  return statement;
}

json json_of(const IncomingAlert& alert) {
  return {
      {"fingerprint", alert.fingerprint},
      {"alert", alert.name},
      {"environment", alert.service.environment},
      {"service", alert.service.name},
      {"starts_at", instant_text(alert.starts_at)},
      {"resolved_at", alert.resolved_at ? json(instant_text(*alert.resolved_at)) : json(nullptr)},
      {"summary", alert.summary}};
}

}  // namespace

std::string json_of(const TakenAlerts& taken) {
  return json{{"firing", taken.firing}, {"resolved", taken.resolved}, {"left_out", taken.left_out}}
      .dump();
}

TakenAlerts write_alerts(Connection& connection, const std::vector<IncomingAlert>& alerts) {
  json given = json::array();
  for (const IncomingAlert& alert : alerts) {
    given.push_back(json_of(alert));
  }
  const Transaction work = begin_single(connection);
  const pqxx::row row = run_statement(connection, *work, take_statement(), given.dump())[0];
  work->commit();
  return {row[0].as<std::size_t>(), row[1].as<std::size_t>(), row[2].as<std::size_t>()};
}

}  // namespace rollbackd::engine
