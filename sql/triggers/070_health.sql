-- Whose an event is, and how a deployment does.

-- The deployment to which an event of this service and moment belongs, if the row does not name one
-- itself; null: nobody's. Whatever the deployment's status is today, so that the errors of a
-- version that was rolled back never become the good one's. rules/deployments.cpp is its twin.
create or replace function ops.deployment_at(p_environment text, p_service text, p_at timestamptz)
returns uuid
language sql stable
as $$
  select d.deployment_id
  from ops.deployments d
  where d.environment = p_environment and d.service = p_service
    and d.deployed_at <= p_at
    and d.status <> 'pending'
    and (d.status <> 'failed' or d.completed_at > p_at)
  order by d.deployed_at desc, d.id desc
  limit 1
$$;

comment on function ops.deployment_at(text, text, timestamptz) is
  'rollbackd: the deployment to which an event of this service and moment belongs';

-- Client backends, how many of them run a statement (the one that asks not counted), and how many
-- there can be. Without the right to see other sessions there is only the sum over the databases,
-- and nothing is known of what they do.
create or replace function ops.rollbackd_connections(
  out connections bigint, out active bigint, out usable bigint, out is_exact boolean)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  usable := current_setting('max_connections')::bigint
    - current_setting('superuser_reserved_connections')::bigint
    - coalesce(current_setting('reserved_connections', true), '0')::bigint;
  select count(*), count(*) filter (where a.state = 'active' and a.pid <> pg_backend_pid())
  into connections, active
  from pg_stat_activity a
  where a.backend_type = 'client backend';
  is_exact := pg_has_role(current_user, 'pg_read_all_stats', 'usage');
  if not is_exact then
    select sum(d.numbackends) into connections from pg_stat_database d;
  end if;
end
$$;

comment on function ops.rollbackd_connections() is
  'rollbackd: client backends, active ones, usable';

-- The events are those of all watched logs. A window of N seconds at second t holds the rows whose
-- date_trunc('second', timestamp) lies in (t - N, t + 60 s]. Written as a range of timestamps it is the same and finds the partial index; null
-- and infinite timestamps lie in no such range.
--
-- Rows that name no deployment are attributed by time. That would be one look-up per row, in a
-- storm hundreds of thousands; but whose they are changes only when a deployment of the service
-- begins to serve or ends. So the window is cut at those moments, deployment_at() is asked once per
-- piece, and a row only has to lie in one of this deployment's pieces.
create or replace function ops.get_deployment_health(p_deployment_id uuid)
returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_second constant timestamptz := date_trunc('second', now());
  v_from constant timestamptz := v_second - interval '299 s';
  v_minute constant timestamptz := v_second - interval '59 s';
  v_end constant timestamptz := v_second + interval '61 s';
  v_environment text;
  v_service text;
  v_served tstzmultirange;
  v_last_minute bigint;
  v_five_minutes bigint;
  v_backends record;
begin
  select d.environment, d.service into v_environment, v_service
  from ops.deployments d
  where d.deployment_id = p_deployment_id;
  if not found then
    return null;
  end if;

  with change (at) as (
    select v_from
    union
    select d.deployed_at from ops.deployments d
    where d.environment = v_environment and d.service = v_service
      and d.deployed_at > v_from and d.deployed_at < v_end
    union
    select d.completed_at from ops.deployments d
    where d.environment = v_environment and d.service = v_service
      and d.status = 'failed' and d.completed_at > v_from and d.completed_at < v_end
  ),
  piece as (
    select tstzrange(c.at, lead(c.at, 1, v_end) over (order by c.at)) as during,
           ops.deployment_at(v_environment, v_service, c.at) as deployment_id
    from change c
  )
  select coalesce(range_agg(p.during), '{}') into v_served
  from piece p
  where p.deployment_id = p_deployment_id;

  execute format(
    'select count(*) filter (where e.at >= $1), count(*) from (%s) e '
    'where e.at >= $2 and e.at < $3 '
    'and (e.deployment_id = $4 '
    '     or (e.deployment_id is null and e.environment = $5 and e.service = $6 and e.at <@ $7))',
    ops.rollbackd_events_query())
  into v_last_minute, v_five_minutes
  using v_minute, v_from, v_end, p_deployment_id, v_environment, v_service, v_served;

  select * into v_backends from ops.rollbackd_connections();

  return jsonb_build_object(
    'healthy', v_five_minutes < 5,
    'error_rate_per_minute', v_last_minute,
    'recent_errors', v_five_minutes,
    'database_connections', v_backends.connections,
    'active_queries', v_backends.active,
    'timestamp', to_char(v_second at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
end
$$;

comment on function ops.get_deployment_health(uuid) is
  'rollbackd: errors of the last one and five minutes, connections; null: no such deployment';
