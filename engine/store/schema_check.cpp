#include "engine/store/schema_check.hpp"

#include <algorithm>
#include <map>
#include <string_view>

#include "engine/store/schema.hpp"
#include "engine/store/sql_script.hpp"

namespace rollbackd::engine {
namespace {

// In order: schema, tables, columns, triggers, the index that keeps rollbacks apart, functions,
// rights, rows that row-level security would hide. $1 is the role. What is missing is told once:
// without a table nothing is said about its columns. The error logs follow in logs_missing_sql.
constexpr const char* missing_sql = R"sql(
with needed (relation, privileges, columns) as (values
  ('watched_logs', '{select}', 'log severities watched version'),
  ('response_times', '{select,delete}',
   'timestamp environment service deployment_id duration_ms xid'),
  ('deployments', '{select,insert,update}',
   'id deployment_id environment service version git_commit git_branch deployed_at status '
   'rollback_from health_check_passed health_check_details metadata completed_at '
   'rolled_back_at xid'),
  ('rollback_events', '{select,insert,update}',
   'id event_id deployment_id trigger_type trigger_reason initiated_by initiated_at status '
   'rollback_plan rollback_steps constitutional_validation completed_at metadata '
   'environment service'),
  ('system_snapshots', '{select,insert,delete}',
   'id snapshot_id deployment_id snapshot_type key_metrics created_at'),
  ('migration_history', '{select}',
   'id deployment_id migration_name applied_at rolled_back_at rollback_successful '
   'execution_time_ms error_message rollback_script metadata'),
  ('roman_events', '{select,insert,delete}',
   'id timestamp event_type severity source description metadata'),
  ('outbox', '{select,insert,update,delete}',
   'id kind event_id payload attempts next_attempt_at sent_at last_error'),
  ('control', '{select,update}', 'paused paused_by reason since'),
  ('leader', '{select,update}', 'epoch holder since'),
  ('breakers', '{select,insert,update}',
   'id environment reason opened_at closed_at closed_by close_reason'),
  ('alerts', '{select,insert,update,delete}',
   'fingerprint alert environment service starts_at summary told_at'),
  ('heartbeats', '{select,insert,delete}', 'timestamp severity environment service xid'),
  ('request_keys', '{select,insert,update,delete}',
   'token key fingerprint kept_at event_id status answer')
),
me as (select * from pg_roles where rolname = $1),
relation as (
  select n.*, c.oid, c.relrowsecurity, c.relforcerowsecurity, c.relowner
  from needed n left join pg_class c on c.oid = to_regclass('ops.' || n.relation)
),
found (place, text) as (
  select 1, 'the schema ops' from me where to_regnamespace('ops') is null
  union all
  select 2, 'the table ops.' || r.relation from me, relation r
  where r.oid is null and to_regnamespace('ops') is not null
  union all
  select 3, 'the column ops.' || r.relation || '.' || c.name
  from me, relation r, string_to_table(r.columns, ' ') as c (name)
  where r.oid is not null
    and not exists (select from pg_attribute a
                    where a.attrelid = r.oid and a.attname = c.name and not a.attisdropped)
  union all
  select 4, 'the trigger ' || w.name || ' on ops.' || w.relation
            || case t.tgenabled when 'D' then ' (it is disabled, not ENABLE ALWAYS)'
                                when 'R' then ' (it is ENABLE REPLICA, not ENABLE ALWAYS)'
                                when 'O' then ' as ENABLE ALWAYS' else '' end
  from me, (values ('deployments', 'rollbackd_before_deployment'),
                   ('deployments', 'rollbackd_ring')) as w (relation, name)
  join relation r on r.relation = w.relation and r.oid is not null
  left join pg_trigger t on t.tgrelid = r.oid and t.tgname = w.name
  where t.tgenabled is distinct from 'A'
    and (w.name <> 'rollbackd_ring'
         or has_function_privilege('public', 'pg_try_advisory_xact_lock_shared(bigint)', 'execute')
            and has_function_privilege('public', 'pg_notify(text,text)', 'execute'))
  union all
  select 5, 'the index rollbackd_rollback_events_active, valid' from me
  where to_regclass('ops.rollback_events') is not null
    and not exists (
      select from pg_index i
      where i.indexrelid = to_regclass('ops.rollbackd_rollback_events_active')
        and i.indisvalid and i.indisunique)
  union all
  select 6, 'the function ops.' || w.name || ', with the right to call it'
  from me, (values ('get_deployment_health(uuid)'), ('get_rollback_target(uuid)'),
                   ('create_system_snapshot(uuid,text)'), ('rollbackd_connections()'),
                   ('rollbackd_set_initiator(uuid,text)'),
                   ('rollbackd_events_query()'),
                   ('deployment_at(text,text,timestamptz)')) as w (name)
  where to_regnamespace('ops') is not null
    and has_function_privilege(me.oid, to_regprocedure('ops.' || w.name)::oid, 'execute')
        is not true
  union all
  select 7, 'the right to ' || p.name || ' on ops.' || r.relation
  from me, relation r, unnest(r.privileges::text[]) as p (name)
  where not has_table_privilege(me.oid, r.oid, p.name)
  union all
  -- What a restrictive policy lets through is in its expression; here it is only named.
  select 8, 'all rows of ops.' || r.relation || ': row-level security hides some'
            || coalesce(', policy ' || min(p.polname) filter (where not p.polpermissive), '')
  from me
  join relation r on r.relrowsecurity
    and (r.relforcerowsecurity or not pg_has_role(me.oid, r.relowner, 'usage'))
  left join pg_policy p on p.polrelid = r.oid
    and exists (select from unnest(p.polroles) as granted (oid)
                where granted.oid = 0 or pg_has_role(me.oid, granted.oid, 'usage'))
  where not me.rolsuper and not me.rolbypassrls
  group by r.relation
  having count(*) filter (where not p.polpermissive) > 0
      or count(*) filter (where p.polpermissive and p.polcmd in ('*', 'r')
                          and pg_get_expr(p.polqual, p.polrelid) = 'true') = 0
)
select place, text from found order by place, text)sql";

constexpr const char* logs_missing_sql = R"sql(
with me as (select * from pg_roles where rolname = $1),
log as (
  select w.*, w.log::text as name, c.relowner, c.relnamespace, c.relkind, c.relrowsecurity,
         c.relforcerowsecurity
  from ops.watched_logs w join pg_class c on c.oid = w.log::oid
  where w.watched
),
-- A function that not everybody may call takes its trigger with it, see attaching in sql/triggers.
wanted (name, relkind, enabled, firing, is_for_us) as (
  select k.name, k.relkind, k.enabled, case k.enabled when 'A' then 'ENABLE ALWAYS'
                                                      else 'ENABLE REPLICA' end, f.is_for_us
  from (values ('rollbackd_ring', 'r', 'A'), ('rollbackd_ring', 'p', 'A'),
               ('rollbackd_stamp', 'r', 'R'), ('rollbackd_stamp', 'p', 'A'))
       as k (name, relkind, enabled)
  join (values
  ('rollbackd_ring',
   has_function_privilege('public', 'pg_try_advisory_xact_lock_shared(bigint)', 'execute')
   and has_function_privilege('public', 'pg_notify(text,text)', 'execute')),
  ('rollbackd_stamp', has_function_privilege('public', 'pg_current_xact_id()', 'execute'))
  ) as f (name, is_for_us) using (name)
),
found (place, text) as (
  select 1, 'the column ' || l.name || '.' || quote_ident(c.name)
  from me, log l,
       unnest(array[l.key_column, l.timestamp_column, l.severity_column, l.message_column,
                    l.source_column, l.metadata_column, l.environment_column, l.service_column,
                    l.deployment_id_column, l.xid_column]) as c (name)
  where c.name is not null
    and not exists (select from pg_attribute a
                    where a.attrelid = l.log::oid and a.attname = c.name and not a.attisdropped)
  union all
  select 2, 'the trigger ' || w.name || ' on ' || r.relation
            || case t.tgenabled when 'D' then ' (it is disabled, not ' || w.firing || ')'
                                when 'R' then ' (it is ENABLE REPLICA, not ' || w.firing || ')'
                                when 'A' then ' (it is ENABLE ALWAYS, not ' || w.firing || ')'
                                when 'O' then ' as ' || w.firing else '' end
  from me cross join log l join wanted w on w.relkind = l.relkind::text
  cross join lateral (
    select l.log as relation union select p.relid from pg_partition_tree(l.log) p) r
  left join pg_trigger t on t.tgrelid = r.relation::oid and t.tgname = w.name
  where t.tgenabled is distinct from w.enabled::"char" and w.is_for_us
    and exists (select from pg_attribute a
                where a.attrelid = l.log::oid and a.attname = l.xid_column and not a.attisdropped)
  union all
  select 3, 'the right to use the schema ' || quote_ident(n.nspname)
  from me, log l join pg_namespace n on n.oid = l.relnamespace
  where not has_schema_privilege(me.oid, n.oid, 'usage')
  union all
  select 4, 'the right to select on ' || l.name from me, log l
  where not has_table_privilege(me.oid, l.log::oid, 'select')
  union all
  select 5, 'all rows of ' || l.name || ': row-level security hides some'
            || coalesce(', policy ' || min(p.polname) filter (where not p.polpermissive), '')
  from me
  join log l on l.relrowsecurity
    and (l.relforcerowsecurity or not pg_has_role(me.oid, l.relowner, 'usage'))
  left join pg_policy p on p.polrelid = l.log::oid
    and exists (select from unnest(p.polroles) as granted (oid)
                where granted.oid = 0 or pg_has_role(me.oid, granted.oid, 'usage'))
  where not me.rolsuper and not me.rolbypassrls
  group by l.name
  having count(*) filter (where not p.polpermissive) > 0
      or count(*) filter (where p.polpermissive and p.polcmd in ('*', 'r')
                          and pg_get_expr(p.polqual, p.polrelid) = 'true') = 0
)
select distinct place, text from found order by place, text)sql";

constexpr const char* warnings_sql = R"sql(
with found (about, text) as (
  select 'role', 'this user is a superuser, which is not needed: use the role rollbackd'
  from pg_roles where rolname = current_user and rolsuper
  union all
  select 'statistics', 'this user sees no other sessions: grant pg_read_all_stats to '
         || quote_ident(current_user)
  where not pg_has_role('pg_read_all_stats', 'usage')
  union all
  select 'indexes', 'the index ' || w.name || ' is missing or invalid: run `rollbackd install`'
  from (values ('rollbackd_deployments_xid'), ('rollbackd_deployments_service'),
               ('rollbackd_response_times_xid'), ('rollbackd_response_times_timestamp')) as w (name)
  where not exists (select from pg_index i
                    where i.indisvalid and i.indexrelid = to_regclass('ops.' || w.name))
  union all
  select 'logs', 'the log ' || w.log::oid || ' is gone, nothing is counted in it: select '
         || 'ops.unwatch_error_log(' || w.log::oid || ')'
  from ops.watched_logs w
  where w.watched and not exists (select from pg_class c where c.oid = w.log::oid)
  union all
  select 'logs', 'no error log is watched: call ops.watch_error_log()'
  where not exists (select from ops.watched_logs w join pg_class c on c.oid = w.log::oid
                    where w.watched)
  union all
  select 'indexes', 'the index of ' || w.log || ' over its ' || i.ending
         || ' is missing or invalid: run `rollbackd install`'
  from ops.watched_logs w
  join pg_class c on c.oid = w.log::oid
  cross join lateral ops.rollbackd_wanted_indexes(w) i
  where w.watched and not i.is_there
  union all
  select 'doorbell', 'no doorbell, the daemon polls: ' || f.name || ' is not for everybody'
  from (values ('pg_try_advisory_xact_lock_shared(bigint)'), ('pg_notify(text,text)')) as f (name)
  where not has_function_privilege('public', f.name, 'execute')
)
select about, text from found order by text)sql";

SchemaFinding::About about_named(std::string_view name) {
  using About = SchemaFinding::About;
  return name == "role"         ? About::role
         : name == "statistics" ? About::statistics
         : name == "indexes"    ? About::indexes
         : name == "logs"       ? About::logs
                                : About::doorbell;
}

// Nobody's function of the same name may answer in place of the system's.
constexpr const char* safe_path = "set local search_path = pg_catalog, pg_temp";

}  // namespace

std::vector<SchemaFinding> missing_for(pqxx::connection& connection, const std::string& role) {
  using About = SchemaFinding::About;
  std::vector<SchemaFinding> missing;
  pqxx::work work{connection};
  work.exec(safe_path);
  // Without this nothing else can be asked: even to_regclass() is refused.
  if (!work.exec_params("select from pg_roles where rolname = $1 and not has_schema_privilege(oid,"
                        " to_regnamespace('ops')::oid, 'usage')",
                        role)
           .empty()) {
    return {{About::rights, "the right to use the schema ops"}};
  }
  for (const pqxx::row& row : work.exec_params(missing_sql, role)) {
    const int place = row[0].as<int>();
    missing.push_back({place >= 8   ? About::row_security
                       : place == 7 ? About::rights
                                    : About::parts,
                       row[1].c_str()});
  }
  if (work.exec("select coalesce(has_table_privilege(to_regclass('ops.watched_logs')::oid,"
                " 'select'), false)")[0][0]
          .as<bool>()) {
    for (const pqxx::row& row : work.exec_params(logs_missing_sql, role)) {
      const int place = row[0].as<int>();
      missing.push_back({place >= 5   ? About::row_security
                         : place >= 3 ? About::rights
                                      : About::parts,
                         row[1].c_str()});
    }
  }
  work.commit();
  return missing;
}

Result<SchemaState> check_schema(pqxx::connection& connection) {
  try {
    const std::string user =
        pqxx::nontransaction{connection}.exec("select current_user")[0][0].c_str();
    SchemaState state;
    state.missing = missing_for(connection, user);
    if (!state.is_complete()) {
      return state;
    }
    pqxx::work work{connection};
    work.exec(safe_path);
    for (const char* table : {"ops.control", "ops.leader"}) {
      if (work.exec(std::string{"select count(*) from "} + table)[0][0].as<int>() != 1) {
        state.missing.push_back(
            {SchemaFinding::About::parts, std::string{"exactly one row in "} + table});
      }
    }
    for (const pqxx::row& row : work.exec(warnings_sql)) {
      state.warnings.push_back({about_named(row[0].c_str()), row[1].c_str()});
    }
    work.commit();
    return state;
  } catch (const pqxx::failure& e) {
    return Error{"the schema could not be looked at: " + one_line(e.what()),
                 "see the server's log"};
  }
}

std::string version_difference(pqxx::connection& connection) {
  pqxx::work work{connection};
  if (work.exec("select to_regclass('ops.rollbackd_schema')")[0][0].is_null()) {
    return "it has no ops.rollbackd_schema";
  }
  std::map<int, std::string> installed;
  for (const pqxx::row& row : work.exec("select version, name from ops.rollbackd_schema")) {
    installed.emplace(row[0].as<int>(), row[1].as<std::string>(""));
  }
  int newest = 0;
  std::string lacking;
  for (const EmbeddedSql& file : embedded_sql()) {
    const int number = number_of(file);
    newest = std::max(newest, number);
    if (number != 0 && !installed.contains(number)) {
      lacking += (lacking.empty() ? "it has not yet " : ", ") + std::string{file.name};
    }
  }
  const auto later = installed.upper_bound(newest);
  return later != installed.end() ? "a later rollbackd installed " + later->second : lacking;
}

// The first few are enough to know where to look, and /readyz is one line.
std::string SchemaState::problem() const {
  constexpr std::size_t told_max = 5;
  std::string line;
  for (std::size_t i = 0; i < missing.size() && i < told_max; ++i) {
    line += (i == 0 ? "the database lacks " : ", ") + missing[i].text;
  }
  if (missing.size() > told_max) {
    line += " and " + std::to_string(missing.size() - told_max) + " more";
  }
  return line.empty()
             ? line
             : line + "; run `rollbackd install` with the conninfo of an owner of the tables";
}

}  // namespace rollbackd::engine
