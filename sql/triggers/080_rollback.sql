-- Where a rollback goes to, and rollbacks that people write down themselves.

-- The newest deployment of the same service that is older than this one, succeeded, passed its
-- health check, was not itself put there by a rollback, and differs in version or commit. No row:
-- none.
create or replace function ops.get_rollback_target(p_deployment_id uuid)
returns table (deployment_id uuid, version text, git_commit text, deployed_at timestamptz,
               health_check_passed boolean)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select t.deployment_id, t.version, t.git_commit, t.deployed_at, t.health_check_passed
  from ops.deployments bad
  join ops.deployments t on t.environment = bad.environment and t.service = bad.service
  where bad.deployment_id = p_deployment_id
    and (t.deployed_at, t.id) < (bad.deployed_at, bad.id)
    and t.status = 'success'
    and t.health_check_passed
    and t.rollback_from is null
    and (t.version, t.git_commit) <> (bad.version, bad.git_commit)
  order by t.deployed_at desc, t.id desc
  limit 1
$$;

comment on function ops.get_rollback_target(uuid) is
  'rollbackd: the deployment to go back to from this one';

-- The same, from the current deployment of the service `app`, for callers that know one service
-- only.
create or replace function ops.get_rollback_target(p_environment text)
returns table (deployment_id uuid, version text, git_commit text, deployed_at timestamptz,
               health_check_passed boolean)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select * from ops.get_rollback_target(ops.deployment_at(p_environment, 'app', now()))
$$;

comment on function ops.get_rollback_target(text) is
  'rollbackd: the deployment to go back to from the current one of the service app';

-- A rollback that somebody did or wants to do by themselves. The daemon shows such a row and never
-- acts on it: metadata.written_by, by which it knows its own, is not set.
create or replace function ops.record_rollback_event(
  p_deployment_id uuid, p_trigger_type text, p_trigger_reason text,
  p_initiated_by uuid default null)
returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_event_id uuid;
begin
  if p_trigger_type is null
     or p_trigger_type not in ('automatic', 'manual', 'constitutional_violation') then
    raise exception 'p_trigger_type is %, expected automatic, manual or constitutional_violation',
      quote_nullable(p_trigger_type) using errcode = 'invalid_parameter_value';
  end if;
  insert into ops.rollback_events (deployment_id, trigger_type, trigger_reason, initiated_by,
                                   status, environment, service, metadata)
  select d.deployment_id, p_trigger_type, p_trigger_reason, p_initiated_by, 'pending',
         d.environment, d.service, jsonb_build_object('recorded_by', session_user)
  from ops.deployments d
  where d.deployment_id = p_deployment_id
  returning event_id into v_event_id;
  if not found then
    raise exception 'no deployment %', quote_nullable(p_deployment_id::text)
      using errcode = 'no_data_found',
            hint = 'record it in ops.deployments first';
  end if;
  return v_event_id;
end
$$;

comment on function ops.record_rollback_event(uuid, text, text, uuid) is
  'rollbackd: writes a rollback down; the daemon shows it and never acts on it';

-- Who a rollback of the daemon was asked for by. Of people only those whom auth.users knows get into
-- the column, where there is that table; everybody is in metadata.initiated_by. Whether they are
-- known is asked by the foreign key: the daemon need not be allowed to read auth.users.
create or replace function ops.rollbackd_set_initiator(p_event_id uuid, p_initiated_by text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_people oid;
begin
  select c.oid into v_people
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'auth' and c.relname = 'users';
  if v_people is not null
     and not exists (select from pg_constraint
                     where conrelid = 'ops.rollback_events'::regclass and contype = 'f'
                       and confrelid = v_people) then
    return;
  end if;
  update ops.rollback_events set initiated_by = p_initiated_by::uuid
  where event_id = p_event_id and initiated_by is distinct from p_initiated_by::uuid;
exception when foreign_key_violation or invalid_text_representation then
  null;
end
$$;

comment on function ops.rollbackd_set_initiator(uuid, text) is
  'rollbackd: notes a person at a rollback, if that is one of auth.users';
