-- The tables that people and their programs share with us. A table that exists is left as it is,
-- see 040; CHECK and NOT NULL are only for those we create.

do $$
begin
  if to_regclass('ops.deployments') is null then
    create table ops.deployments (
      id bigserial primary key,
      deployment_id uuid unique not null default gen_random_uuid(),
      environment text not null check (environment <> ''),
      version text not null,
      git_commit text not null,
      git_branch text not null,
      deployed_by uuid,
      deployed_at timestamptz default now(),
      status text not null default 'pending'
        check (status in ('pending', 'in_progress', 'success', 'failed', 'rolled_back')),
      rollback_from uuid references ops.deployments (deployment_id),
      health_check_passed boolean default false,
      health_check_details jsonb,
      constitutional_validation jsonb,
      metadata jsonb,
      completed_at timestamptz,
      rolled_back_at timestamptz,
      service text not null default 'app' check (service <> ''),
      xid xid8
    );
    perform set_config('rollbackd.created', 'deployments', true);
  end if;
end
$$;

do $$
begin
  if to_regclass('ops.rollback_events') is null then
    create table ops.rollback_events (
      id bigserial primary key,
      event_id uuid unique not null default gen_random_uuid(),
      deployment_id uuid references ops.deployments (deployment_id),
      trigger_type text not null
        check (trigger_type in ('automatic', 'manual', 'constitutional_violation')),
      trigger_reason text not null,
      initiated_by uuid,
      initiated_at timestamptz default now(),
      status text not null default 'pending'
        check (status in ('pending', 'in_progress', 'success', 'failed', 'aborted')),
      rollback_plan jsonb,
      rollback_steps jsonb[],
      constitutional_validation jsonb,
      completed_at timestamptz,
      metadata jsonb,
      environment text,
      service text
    );
    perform set_config('rollbackd.created',
      concat(current_setting('rollbackd.created', true), ' rollback_events'), true);
  end if;
end
$$;

do $$
begin
  if to_regclass('ops.system_snapshots') is null then
    create table ops.system_snapshots (
      id bigserial primary key,
      snapshot_id uuid unique not null default gen_random_uuid(),
      deployment_id uuid references ops.deployments (deployment_id),
      snapshot_type text not null
        check (snapshot_type in ('pre_deployment', 'post_deployment', 'pre_rollback')),
      database_schema_hash text,
      table_counts jsonb,
      key_metrics jsonb,
      environment_config jsonb,
      created_at timestamptz default now()
    );
    perform set_config('rollbackd.created',
      concat(current_setting('rollbackd.created', true), ' system_snapshots'), true);
  end if;
end
$$;

do $$
begin
  if to_regclass('ops.migration_history') is null then
    create table ops.migration_history (
      id bigserial primary key,
      deployment_id uuid references ops.deployments (deployment_id),
      migration_name text unique not null,
      migration_hash text not null,
      applied_at timestamptz default now(),
      rolled_back_at timestamptz,
      rollback_successful boolean,
      execution_time_ms integer,
      error_message text,
      rollback_script text,
      metadata jsonb
    );
    perform set_config('rollbackd.created',
      concat(current_setting('rollbackd.created', true), ' migration_history'), true);
  end if;
end
$$;

-- The default error log.
do $$
begin
  if to_regclass('ops.system_logs') is null then
    create table ops.system_logs (
      id bigserial primary key,
      timestamp timestamptz not null default now(),
      severity text not null check (severity in ('debug', 'info', 'warning', 'error', 'critical')),
      source text not null,
      message text not null,
      metadata jsonb,
      environment text not null default 'production',
      service text not null default 'app',
      deployment_id uuid,
      xid xid8 default pg_current_xact_id()
    );
    perform set_config('rollbackd.created',
      concat(current_setting('rollbackd.created', true), ' system_logs'), true);
  end if;
end
$$;

-- The log of every decision.
do $$
begin
  if to_regclass('ops.roman_events') is null then
    create table ops.roman_events (
      id bigserial primary key,
      timestamp timestamptz not null default now(),
      event_type text not null,
      severity text not null,
      source text,
      description text,
      metadata jsonb
    );
    perform set_config('rollbackd.created',
      concat(current_setting('rollbackd.created', true), ' roman_events'), true);
  end if;
end
$$;

do $$
begin
  if to_regclass('ops.response_times') is null then
    create table ops.response_times (
      id bigserial primary key,
      timestamp timestamptz not null default now(),
      environment text not null default 'production',
      service text not null default 'app',
      deployment_id uuid,
      duration_ms double precision not null,
      xid xid8 default pg_current_xact_id()
    );
    perform set_config('rollbackd.created',
      concat(current_setting('rollbackd.created', true), ' response_times'), true);
  end if;
end
$$;

-- What was created just now belongs to rollbackd_owner, and its people are those of auth.users
-- where that table exists (Supabase). Other people's tables keep their owner.
do $$
declare
  v_table text;
  v_person text;
begin
  foreach v_table in array string_to_array(
      btrim(coalesce(current_setting('rollbackd.created', true), '')), ' ') loop
    v_person := case v_table when 'deployments' then 'deployed_by'
                             when 'rollback_events' then 'initiated_by' end;
    if v_person is not null and to_regclass('auth.users') is not null then
      execute format('alter table ops.%I add foreign key (%I) references auth.users (id)',
                                v_table, v_person);
    end if;
    if exists (select from pg_roles where rolname = 'rollbackd_owner'
               and pg_has_role(current_user, oid, 'member')
               and has_schema_privilege(oid, 'ops', 'create')) then
      execute format('alter table ops.%I owner to rollbackd_owner', v_table);
    end if;
  end loop;
end
$$;
