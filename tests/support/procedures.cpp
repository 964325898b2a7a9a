#include "tests/support/procedures.hpp"

#include <utility>

#include "tests/support/postgres.hpp"

namespace rollbackd::tests {
namespace {

// As the original procedures had them.
constexpr const char* tables = R"(
create schema ops;
create table ops.deployments (
  id bigserial primary key, deployment_id uuid unique not null, environment text not null
  check (environment in ('staging', 'production')), version text not null, git_commit text not null,
  git_branch text not null, deployed_by uuid PEOPLE, deployed_at timestamptz default now(), status text not null,
  rollback_from uuid references ops.deployments(deployment_id), health_check_passed boolean default false,
  health_check_details jsonb, constitutional_validation jsonb, metadata jsonb, completed_at timestamptz,
  rolled_back_at timestamptz);
create table ops.rollback_events (
  id bigserial primary key, event_id uuid unique not null,
  deployment_id uuid references ops.deployments(deployment_id), trigger_type text not null,
  trigger_reason text not null, initiated_by uuid PEOPLE, initiated_at timestamptz default now(),
  status text not null, rollback_plan jsonb, rollback_steps jsonb[], constitutional_validation jsonb,
  completed_at timestamptz, metadata jsonb);
create table ops.system_snapshots (
  id bigserial primary key, snapshot_id uuid unique not null,
  deployment_id uuid references ops.deployments(deployment_id), snapshot_type text not null,
  database_schema_hash text, table_counts jsonb, key_metrics jsonb, environment_config jsonb,
  created_at timestamptz default now());
create table ops.migration_history (
  id bigserial primary key, deployment_id uuid references ops.deployments(deployment_id),
  migration_name text unique not null, migration_hash text not null, applied_at timestamptz default now(),
  rolled_back_at timestamptz, rollback_successful boolean, execution_time_ms integer, error_message text,
  rollback_script text, metadata jsonb);
create table ops.system_logs (
  id bigserial primary key, timestamp timestamptz not null default now(), severity text, source text,
  message text, metadata jsonb);
create table ops.roman_events (
  id bigserial primary key, timestamp timestamptz default now(), event_type text, severity text,
  metadata jsonb);
insert into ops.deployments (deployment_id, environment, version, git_commit, git_branch, status)
  values ('00000000-0000-0000-0000-000000000001', 'production', '1', 'c', 'main', 'success');
insert into ops.system_logs (severity, source, message) values ('error', 's', 'old');
)";

}  // namespace

std::string tables_of_the_procedures(const std::string& people) {
  std::string sql = tables;
  for (auto at = sql.find("PEOPLE"); at != std::string::npos; at = sql.find("PEOPLE")) {
    sql.replace(at, std::string{"PEOPLE"}.size(), people);
  }
  return sql;
}

std::string rows_of_the_procedures() {
  return R"(
insert into ops.deployments (deployment_id, environment, version, git_commit, git_branch, status, deployed_at,
    completed_at, health_check_passed, health_check_details, metadata)
  select gen_random_uuid(), case when n % 3 = 0 then 'staging' else 'production' end, 'v' || n, md5(n::text),
    'main', (array['success', 'failed', 'rolled_back', 'in_progress', 'pending'])[1 + n % 5],
    case when n % 11 > 0 then now() - make_interval(hours => n) end, case when n % 2 = 0 then now() end,
    nullif(n % 7, 0) > 3, '{"status": 200}', jsonb_build_object('n', n)
  from generate_series(1, 200) n;
insert into ops.deployments (deployment_id, environment, version, git_commit, git_branch, status, deployed_at)
  values (gen_random_uuid(), 'production', '', '', '', 'queued', 'infinity');
insert into ops.rollback_events (event_id, deployment_id, trigger_type, trigger_reason, status, rollback_steps)
  select gen_random_uuid(), deployment_id, 'automatic', 'High error rate', 'success', array['{"step": 1}'::jsonb]
  from ops.deployments where status = 'rolled_back';
insert into ops.rollback_events (event_id, trigger_type, trigger_reason, status)
  values (gen_random_uuid(), 'by hand', '', 'in_progress'), (gen_random_uuid(), 'by hand', '', 'pending');
insert into ops.system_snapshots (snapshot_id, deployment_id, snapshot_type, table_counts, created_at)
  select gen_random_uuid(), deployment_id, 'pre_rollback', '{}', now() - interval '9 years' from ops.deployments;
insert into ops.migration_history (deployment_id, migration_name, migration_hash, rollback_script)
  select deployment_id, 'migration ' || id, md5(id::text), 'select 1' from ops.deployments;
insert into ops.system_logs (timestamp, severity, source, message, metadata)
  select now() - make_interval(secs => n), (array['info', 'error', 'critical', 'WARN', null])[1 + n % 5], 's',
    repeat('x', n % 300), jsonb_build_object('duration_ms', n)
  from generate_series(1, 3000) n;
insert into ops.system_logs (timestamp, severity) values ('-infinity', 'error'), ('9999-01-01', 'error');
insert into ops.roman_events (timestamp, event_type, severity, metadata)
  select now() - make_interval(days => n), 'rollback_validation', 'info', '{}' from generate_series(1, 900) n;
)";
}

std::string ground_of_supabase() {
  return R"(
create role postgres_like login createrole bypassrls; grant create on database app to postgres_like;
create role anon nologin; create role authenticated nologin; create role service_role nologin bypassrls;
grant anon, authenticated, service_role to postgres_like;
create schema auth; create table auth.users (id uuid primary key, email text);
grant usage on schema auth to postgres_like; grant select, references on auth.users to postgres_like;
insert into auth.users values ('00000000-0000-0000-0000-00000000000a', 'ann@example.org');
)";
}

std::string access_of_supabase() {
  return R"(
update ops.deployments set deployed_by = '00000000-0000-0000-0000-00000000000a' where id % 2 = 0;
grant usage on schema ops to anon, authenticated, service_role;
grant all on all tables in schema ops to anon, authenticated, service_role;
grant all on all sequences in schema ops to anon, authenticated, service_role;
alter default privileges in schema ops grant all on tables to anon, authenticated, service_role;
alter default privileges in schema ops grant all on sequences to anon, authenticated, service_role;
alter default privileges in schema ops grant all on routines to anon, authenticated, service_role;
alter table ops.deployments enable row level security;
alter table ops.rollback_events enable row level security;
alter table ops.system_snapshots enable row level security;
alter table ops.migration_history enable row level security;
alter table ops.system_logs enable row level security;
alter table ops.roman_events enable row level security;
create policy "service role does all" on ops.deployments to service_role using (true) with check (true);
create policy "people see production" on ops.deployments for select to authenticated
  using (environment = 'production');
create policy "people see errors" on ops.system_logs for select to authenticated using (severity = 'error');
create policy "the application logs" on ops.system_logs for insert to authenticated with check (true);
create function ops.get_deployment_health(p_deployment_id uuid) returns jsonb language sql
  as $$ select '{"healthy": true}'::jsonb $$;
)";
}

Rows::Rows(std::string conninfo) : conninfo_{std::move(conninfo)} {
  for (const pqxx::row& row :
       rows(conninfo_,
            "select format('%I.%I', table_schema, table_name), string_agg(quote_ident(column_name),"
            " ', ' order by ordinal_position) from information_schema.columns"
            " join information_schema.tables using (table_schema, table_name)"
            " where table_type = 'BASE TABLE'"
            " and table_schema not in ('pg_catalog', 'information_schema') group by 1")) {
    const std::string table = row[0].c_str();
    questions_[table] = "select count(*) || ' rows ' || coalesce(sum(hashtextextended(row(" +
                        std::string{row[1].c_str()} + ")::text, 0)::numeric), 0) from " + table;
  }
}

std::string Rows::now() const {
  std::string text;
  for (const auto& [table, question] : questions_) {
    text += table + ": " + query(conninfo_, question) + '\n';
  }
  return text;
}

std::string access_of_others(const std::string& conninfo) {
  return query(conninfo, R"(
    select coalesce(string_agg(line, E'\n' order by line collate "C"), '') from (
      select concat_ws(' ', 'table', c.relname, a.grantee::regrole, a.privilege_type)
      from pg_class c, aclexplode(c.relacl) a
      where c.relnamespace = 'ops'::regnamespace and c.relkind in ('r', 'S') and a.grantee <> 0
        and c.relname ~ '^(deployments|rollback_events|system_snapshots|migration_history|system_logs|roman_events)'
        and a.grantee::regrole::text !~ '^rollbackd' and a.grantee <> c.relowner
      union all
      select concat_ws(' ', 'schema', a.grantee::regrole, a.privilege_type)
      from pg_namespace n, aclexplode(n.nspacl) a
      where n.nspname = 'ops' and a.grantee not in (0, n.nspowner) and a.grantee::regrole::text !~ '^rollbackd'
      union all
      select concat_ws(' ', 'policy', tablename, policyname, permissive, roles, cmd, qual, with_check)
      from pg_policies where schemaname = 'ops' and policyname !~ '^rollbackd_policy_'
      union all
      select concat_ws(' ', 'security', relname, relrowsecurity, relforcerowsecurity) from pg_class
      where relnamespace = 'ops'::regnamespace
        and relname in ('deployments', 'rollback_events', 'system_snapshots', 'migration_history', 'system_logs',
                        'roman_events')) s (line))");
}

std::string refusals(const std::string& conninfo) {
  return query(conninfo, R"(
    select coalesce(string_agg(line, E'\n' order by line collate "C"), '') from (
      select concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint
      where connamespace = 'ops'::regnamespace
        and conrelid::regclass::text in ('ops.deployments', 'ops.rollback_events', 'ops.system_snapshots',
                                         'ops.migration_history', 'ops.system_logs', 'ops.roman_events')
      union all
      select concat_ws(' ', attrelid::regclass, attname, 'not null') from pg_attribute
      where attnotnull and attnum > 0
        and attrelid::regclass::text in ('ops.deployments', 'ops.rollback_events', 'ops.system_snapshots',
                                         'ops.migration_history', 'ops.system_logs', 'ops.roman_events')) s (line))");
}

}  // namespace rollbackd::tests
