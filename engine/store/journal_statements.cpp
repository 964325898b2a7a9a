#include "engine/store/journal_statements.hpp"

#include <cctype>
#include <vector>

#include "engine/database/doorbell_names.hpp"
#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

using std::string;

struct Definition {
  JournalStatement statement;
  const char* name;
  std::size_t parameters;
  string sql;
};

// The change as a statement that fails when it did not change exactly one row. Outside of PL/pgSQL
// nothing raises an error, but a text that is no number does, and the message quotes it.
string one_row(const string& what, const string& change) {
  return "with changed as (" + change + " returning 1) select case count(*) when 1 then 1 else ('" +
         what + " changed ' || count(*) || ' rows instead of one')::integer end from changed";
}

// The elements of a JSON array as PostgreSQL's array.
string array_of(const string& parameter) {
  return "array(select s from jsonb_array_elements(" + parameter +
         "::jsonb) with ordinality as e(s, n) order by n)";
}

// The whole row is written, because a proposal that is approved is another rollback than it was.
string update_of_rollback(const string& condition) {
  return one_row("the row of the rollback",
                 "update ops.rollback_events set status = $2, rollback_steps = " + array_of("$3") +
                     ", completed_at = nullif($4, '')::timestamptz, metadata = $5::jsonb,"
                     " rollback_plan = $6::jsonb, constitutional_validation = $7::jsonb,"
                     " trigger_reason = $8, initiated_at = $9::timestamptz"
                     " where event_id = $1::uuid and metadata ->> 'written_by' = 'rollbackd' and " +
                     condition);
}

std::vector<Definition> about_rollbacks() {
  using enum JournalStatement;
  return {
      // Without the count it would be a constant, which the server reads before it counts.
      {check_epoch, "check_epoch", 1,
       string{"with ours as (select from ops.leader where epoch = $1::bigint for share)"
              " select case count(*) when 1 then 1 else ('"} +
           epoch_lost +
           ": ' || count(*) || ' leaders have the epoch ' || $1)::integer end from ours"},
      {insert_rollback, "insert_rollback", 13,
       "insert into ops.rollback_events (event_id, deployment_id, trigger_type, trigger_reason,"
       " initiated_at, status, rollback_plan, rollback_steps, constitutional_validation,"
       " completed_at, metadata, environment, service)"
       " values ($1::uuid, $2::uuid, $3, $4, $5::timestamptz, $6, $7::jsonb, " +
           array_of("$8") + ", $9::jsonb, nullif($10, '')::timestamptz, $11::jsonb, $12, $13)"},
      {update_rollback, "update_rollback", 9,
       update_of_rollback("status in ('pending', 'in_progress')")},
      {amend_rollback, "amend_rollback", 9, update_of_rollback("status = $2")},
      {set_initiator, "set_initiator", 2, "select ops.rollbackd_set_initiator($1::uuid, $2)"},
  };
}

std::vector<Definition> about_deployments() {
  using enum JournalStatement;
  return {
      {begin_step, "begin_step", 0,
       string{"select set_config('"} + step_setting + "', 'on', true)"},
      {mark_rolled_back, "mark_rolled_back", 3,
       one_row("mark_rolled_back",
               "update ops.deployments set status = 'rolled_back', health_check_passed = false,"
               " rolled_back_at = $3::timestamptz where deployment_id = $1::uuid and status = $2")},
      {insert_replacement, "insert_replacement", 3,
       one_row(
           "the replacement",
           "insert into ops.deployments (deployment_id, environment, service, version, git_commit,"
           " git_branch, status, rollback_from, metadata)"
           " select $1::uuid, bad.environment, bad.service, target.version, target.git_commit,"
           " target.git_branch, 'pending', bad.deployment_id,"
           " jsonb_build_object('written_by', 'rollbackd', 'target', target.deployment_id)"
           " from ops.deployments bad, ops.deployments target"
           " where bad.deployment_id = $2::uuid and target.deployment_id = $3::uuid")},
      {restore_deployment, "restore_deployment", 3,
       one_row("restoring the deployment",
               "update ops.deployments set status = $2, health_check_passed = $3::boolean,"
               " rolled_back_at = case $2 when 'rolled_back' then rolled_back_at end"
               " where deployment_id = $1::uuid")},
      {fail_replacement, "fail_replacement", 1,
       one_row("the replacement",
               "update ops.deployments set status = 'failed' where deployment_id = $1::uuid")},
      {put_in_service, "put_in_service", 2,
       one_row("the replacement",
               "update ops.deployments set status = 'success', deployed_at = $2::timestamptz"
               " where deployment_id = $1::uuid")},
      // What a pipeline said of the bad row meanwhile does not count. Rows that another rollback,
      // or a person, has brought further stay as they are.
      {settle_late, "settle_late", 3,
       "with marked as (update ops.deployments set status = 'rolled_back',"
       " health_check_passed = false, rolled_back_at = $3::timestamptz"
       " where deployment_id = $1::uuid and status in ('in_progress', 'success', 'failed')"
       " and exists (select from ops.deployments r"
       " where r.deployment_id = $2::uuid and r.status = 'failed') returning 1)"
       " update ops.deployments set status = 'success', deployed_at = $3::timestamptz"
       " where deployment_id = $2::uuid and status = 'failed' and exists (select from marked)"},
      {pass_probation, "pass_probation", 2,
       "update ops.deployments set health_check_passed = true,"
       " health_check_details = $2::jsonb || jsonb_build_object('checked_at', now()),"
       " status = case status when 'in_progress' then 'success' else status end"
       " where deployment_id = $1::uuid and status in ('in_progress', 'success')"},
  };
}

std::vector<Definition> about_the_rest() {
  using enum JournalStatement;
  return {
      {insert_roman_event, "insert_roman_event", 4,
       "insert into ops.roman_events (event_type, severity, source, description, metadata)"
       " values ($1, $2, 'rollbackd', $3, $4::jsonb)"},
      {insert_alert, "insert_alert", 3,
       "insert into ops.outbox (kind, event_id, payload) values ($1, $2::uuid, $3::jsonb)"},
      {open_breaker, "open_breaker", 3,
       "insert into ops.breakers (environment, reason, opened_at) values ($1, $2, $3::timestamptz)"
       " on conflict (environment) where closed_at is null do nothing"},
      {close_breaker, "close_breaker", 4,
       "update ops.breakers set closed_at = $2::timestamptz, closed_by = nullif($3, ''),"
       " close_reason = nullif($4, '') where environment = $1 and closed_at is null"},
      {keep_request, "keep_request", 4,
       "insert into ops.request_keys (token, key, fingerprint, event_id)"
       " values ($1, $2, $3, nullif($4, '')::uuid)"
       " on conflict (token, key) do update set fingerprint = excluded.fingerprint,"
       " event_id = excluded.event_id, kept_at = now(), status = null, answer = null"},
      {set_pause, "set_pause", 4,
       one_row("the pause",
               "update ops.control set paused = $1::boolean, paused_by = nullif($2, ''),"
               " reason = nullif($3, ''), since = nullif($4, '')::timestamptz")},
  };
}

// In the order of the enumeration.
const std::vector<Definition>& definitions() {
  static const std::vector<Definition> all = [] {
    std::vector<Definition> joined = about_rollbacks();
    for (const auto& more : {about_deployments(), about_the_rest()}) {
      joined.insert(joined.end(), more.begin(), more.end());
    }
    return joined;
  }();
  return all;
}

const Definition& definition_of(JournalStatement statement) {
  const Definition& found = definitions().at(static_cast<std::size_t>(statement));
  INVARIANT(found.statement == statement);
  return found;
}

// The statement with each $n replaced by its value.
string expanded(pqxx::connection& connection, const string& sql,
                std::initializer_list<string> values) {
  string text;
  for (std::size_t at = 0; at < sql.size();) {
    std::size_t end = at + 1;
    while (sql[at] == '$' && end < sql.size() &&
           std::isdigit(static_cast<unsigned char>(sql[end])) != 0) {
      ++end;
    }
    if (end == at + 1) {
      text += sql[at];
    } else {
      const std::size_t number = std::stoul(sql.substr(at + 1, end - at - 1));
      INVARIANT(number >= 1 && number <= values.size());
      text += connection.quote(*(values.begin() + number - 1));
    }
    at = end;
  }
  return text + ";";
}

}  // namespace

void prepare_statements(Connection& connection) {
  if (connection.is_pooled()) {
    return;
  }
  pqxx::nontransaction work{connection};
  work.exec("set plan_cache_mode = force_generic_plan");
  for (const Definition& definition : definitions()) {
    work.exec(string{"prepare "} + definition.name + " as " + definition.sql);
  }
}

string call_of(Connection& connection, JournalStatement statement,
               std::initializer_list<string> values) {
  const Definition& definition = definition_of(statement);
  INVARIANT(values.size() == definition.parameters);
  if (connection.is_pooled()) {
    return expanded(connection, definition.sql, values);
  }
  string call = string{"execute "} + definition.name;
  const char* before = " (";
  for (const string& value : values) {
    call += before + connection.quote(value);
    before = ", ";
  }
  return call + (values.size() == 0 ? ";" : ");");
}

}  // namespace rollbackd::engine
