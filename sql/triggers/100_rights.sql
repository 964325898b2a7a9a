-- Who may do what. Rights are only added, and only where they are missing: what other roles have
-- stays. What is not ours to give is collected in the setting rollbackd.refused, for whoever may.
-- Roles that do not exist yet are left out; the next install sees to them.

-- Our functions run as rollbackd_owner, and a new one is for nobody yet. New is what was not there
-- when this began, see 020, or has no access list; those that the procedures had were given one in
-- 060.
do $$
declare
  v_function record;
  v_grantee text;
  v_before constant oid[] := coalesce(
    nullif(current_setting('rollbackd.functions_before', true), '')::oid[], '{}');
begin
  for v_function in
    select p.oid::regprocedure as called, p.proacl, p.proowner,
           p.proacl is null or p.oid <> all (v_before) as is_new,
           p.proowner <> o.oid and pg_has_role(current_user, o.oid, 'member')
             and has_schema_privilege(o.oid, 'ops', 'create') as is_to_give
    from pg_proc p
    left join pg_roles o on o.rolname = 'rollbackd_owner'
    where p.pronamespace = 'ops'::regnamespace
      and obj_description(p.oid, 'pg_proc') like 'rollbackd:%'
      and pg_has_role(current_user, p.proowner, 'member')
  loop
    if v_function.is_new then
      execute format('revoke all on function %s from public', v_function.called);
      for v_grantee in
        select distinct a.grantee::regrole::text from aclexplode(v_function.proacl) a
        where a.grantee not in (0, v_function.proowner)
      loop
        execute format('revoke all on function %s from %s', v_function.called, v_grantee);
      end loop;
    end if;
    if v_function.is_to_give then
      execute format('alter function %s owner to rollbackd_owner', v_function.called);
    end if;
  end loop;
end
$$;

-- Who could call a function of the procedures may call the one that took its place.
do $$
declare
  v_old record;
  v_caller text;
begin
  for v_old in
    select p.oid, p.oid::regprocedure as called, p.proacl, ours.oid::regprocedure as now_called
    from pg_proc p
    join pg_proc ours
      on ours.pronamespace = p.pronamespace and p.proname = ours.proname || '_before_rollbackd'
      and oidvectortypes(ours.proargtypes) = oidvectortypes(p.proargtypes)
    where p.pronamespace = 'ops'::regnamespace
  loop
    for v_caller in
      select case when a.grantee = 0 then 'public' else a.grantee::regrole::text end
      from aclexplode(v_old.proacl) a
      where a.privilege_type = 'EXECUTE'
    loop
      execute format('grant execute on function %s to %s', v_old.now_called, v_caller);
    end loop;
    begin
      execute format('drop function %s', v_old.called);
    exception when dependent_objects_still_exist then
      raise warning '% is still used by other objects and stays', v_old.called;
    end;
  end loop;
end
$$;

do $$
declare
  v_grant record;
  v_is_missing boolean;
  v_object text;
  v_columns text;
begin
  for v_grant in
    select r.rolname as who, g.kind, g.what, trim(p.name) as privilege,
           g.columns::text[] as columns
    from (values
      ('{rollbackd,rollbackd_writer,rollbackd_reader}', 'database', null, 'connect', null),
      ('{rollbackd,rollbackd_writer,rollbackd_reader,rollbackd_owner,service_role}', 'schema',
       'ops', 'usage', null),

      -- The daemon. It reads people's logs and never changes them.
      ('{rollbackd}', 'table', 'system_logs', 'select', null),
      ('{rollbackd}', 'table', 'response_times', 'select, delete', null),
      ('{rollbackd}', 'table', 'deployments', 'select, insert, update', null),
      ('{rollbackd}', 'table', 'rollback_events', 'select, insert, update', null),
      ('{rollbackd}', 'table', 'system_snapshots', 'select, insert, delete', null),
      ('{rollbackd}', 'table', 'system_snapshots', 'update', '{key_metrics}'),
      ('{rollbackd}', 'table', 'migration_history', 'select', null),
      ('{rollbackd}', 'table', 'migration_history', 'update',
       '{rolled_back_at,rollback_successful,execution_time_ms,error_message,metadata}'),
      ('{rollbackd}', 'table', 'roman_events', 'select, insert, delete', null),
      ('{rollbackd}', 'table', 'outbox', 'select, insert, update, delete', null),
      ('{rollbackd}', 'table', 'control', 'select, update', null),
      ('{rollbackd}', 'table', 'leader', 'select, update', null),
      ('{rollbackd}', 'table', 'breakers', 'select, insert, update', null),
      ('{rollbackd}', 'table', 'alerts', 'select, insert, update, delete', null),
      ('{rollbackd}', 'table', 'heartbeats', 'select, insert, delete', null),
      ('{rollbackd}', 'table', 'request_keys', 'select, insert, update, delete', null),
      ('{rollbackd}', 'table', 'rollbackd_schema', 'select', null),
      ('{rollbackd}', 'table', 'watched_logs', 'select', null),

      -- Applications and pipelines. Not xid, by which rows are found; not health_check_passed,
      -- which makes a target; not rollback_from; not rollback_script, which the daemon would run.
      ('{rollbackd_writer}', 'table', 'system_logs', 'insert',
       '{timestamp,severity,source,message,metadata,environment,service,deployment_id}'),
      ('{rollbackd_writer}', 'table', 'response_times', 'insert',
       '{timestamp,environment,service,deployment_id,duration_ms}'),
      ('{rollbackd_writer}', 'table', 'deployments', 'select', null),
      ('{rollbackd_writer}', 'table', 'deployments', 'insert',
       '{deployment_id,environment,service,version,git_commit,git_branch,deployed_by,deployed_at,'
       || 'status,metadata,completed_at}'),
      ('{rollbackd_writer}', 'table', 'deployments', 'update',
       '{version,git_commit,git_branch,deployed_at,status,metadata,completed_at}'),
      ('{rollbackd_writer}', 'table', 'migration_history', 'insert',
       '{deployment_id,migration_name,migration_hash,applied_at,execution_time_ms,error_message,'
       || 'metadata}'),

      -- Dashboards.
      ('{rollbackd_reader}', 'table', 'system_logs', 'select', null),
      ('{rollbackd_reader}', 'table', 'response_times', 'select', null),
      ('{rollbackd_reader}', 'table', 'deployments', 'select', null),
      ('{rollbackd_reader}', 'table', 'rollback_events', 'select', null),
      ('{rollbackd_reader}', 'table', 'system_snapshots', 'select', null),
      ('{rollbackd_reader}', 'table', 'migration_history', 'select', null),
      ('{rollbackd_reader}', 'table', 'roman_events', 'select', null),
      ('{rollbackd_reader}', 'table', 'outbox', 'select', null),
      ('{rollbackd_reader}', 'table', 'control', 'select', null),
      ('{rollbackd_reader}', 'table', 'leader', 'select', null),
      ('{rollbackd_reader}', 'table', 'breakers', 'select', null),
      ('{rollbackd_reader}', 'table', 'alerts', 'select', null),
      ('{rollbackd_reader}', 'table', 'heartbeats', 'select', null),
      ('{rollbackd_reader}', 'table', 'request_keys', 'select', null),
      ('{rollbackd_reader}', 'table', 'rollbackd_schema', 'select', null),
      ('{rollbackd_reader}', 'table', 'watched_logs', 'select', null),

      -- What the functions and triggers do, they do as their owner.
      ('{rollbackd_owner}', 'table', 'system_logs', 'select', null),
      ('{rollbackd_owner}', 'table', 'watched_logs', 'select', null),
      ('{rollbackd_owner}', 'table', 'heartbeats', 'select', null),
      ('{rollbackd_owner}', 'table', 'deployments', 'select', null),
      ('{rollbackd_owner}', 'table', 'rollback_events', 'select, insert', null),
      ('{rollbackd_owner}', 'table', 'system_snapshots', 'select, insert', null),

      ('{rollbackd}', 'function', 'rollbackd_connections()', 'execute', null),
      ('{rollbackd}', 'function', 'rollbackd_set_initiator(uuid,text)', 'execute', null),
      ('{rollbackd,rollbackd_owner,rollbackd_reader}', 'function', 'rollbackd_events_query()',
       'execute', null),
      ('{rollbackd}', 'function', 'rollbackd_wanted_indexes(ops.watched_logs)', 'execute', null),
      ('{rollbackd,rollbackd_writer,rollbackd_reader}', 'function',
       'deployment_at(text,text,timestamptz)', 'execute', null),
      ('{rollbackd,rollbackd_writer,rollbackd_reader,service_role}', 'function',
       'get_deployment_health(uuid)', 'execute', null),
      ('{rollbackd,rollbackd_writer,rollbackd_reader,service_role}', 'function',
       'get_rollback_target(uuid)', 'execute', null),
      ('{rollbackd,rollbackd_writer,rollbackd_reader,service_role}', 'function',
       'get_rollback_target(text)', 'execute', null),
      ('{rollbackd,rollbackd_writer,service_role}', 'function',
       'create_system_snapshot(uuid,text)', 'execute', null),
      ('{rollbackd,rollbackd_writer,service_role}', 'function',
       'record_rollback_event(uuid,text,text,uuid)', 'execute', null)
    ) as g (roles, kind, what, privileges, columns)
    join pg_roles r on r.rolname = any (g.roles::name[])
    cross join unnest(string_to_array(g.privileges, ',')) as p (name)
  loop
    v_object := case v_grant.kind
      when 'database' then format('database %I', current_database())
      when 'schema' then 'schema ops'
      when 'function' then 'function ops.' || v_grant.what
      else 'ops.' || v_grant.what
      end;
    v_is_missing := case
      when v_grant.kind = 'database' then
        not has_database_privilege(v_grant.who, current_database(), v_grant.privilege)
      when v_grant.kind = 'schema' then
        not has_schema_privilege(v_grant.who, 'ops', v_grant.privilege)
      when v_grant.kind = 'function' then
        not has_function_privilege(v_grant.who, 'ops.' || v_grant.what, v_grant.privilege)
      when v_grant.columns is null then
        not has_table_privilege(v_grant.who, v_object, v_grant.privilege)
      else exists (
        select from unnest(v_grant.columns) as c (name)
        where not has_column_privilege(v_grant.who, v_object, c.name, v_grant.privilege))
      end;
    if v_is_missing then
      select ' (' || string_agg(quote_ident(c.name), ', ') || ')' into v_columns
      from unnest(v_grant.columns) as c (name);
      perform ops.rollbackd_try(format('grant %s%s on %s to %I', v_grant.privilege, v_columns,
                                       v_object, v_grant.who),
        case v_grant.kind
          when 'database' then (select datdba from pg_database where datname = current_database())
          when 'schema' then (select nspowner from pg_namespace where nspname = 'ops')
          when 'function' then
            (select proowner from pg_proc where oid = ('ops.' || v_grant.what)::regprocedure)
          else (select relowner from pg_class where oid = v_object::regclass)
          end);
    end if;
  end loop;
end
$$;

-- A column that counts by a sequence needs the sequence, too (an identity column does not).
do $$
declare
  v_grant record;
begin
  for v_grant in
    select format('grant usage on sequence %s to %I', s.name, g.who) as statement,
           (select relowner from pg_class where oid = s.name::regclass) as owner
    from (values
      ('rollbackd', 'deployments'), ('rollbackd', 'rollback_events'),
      ('rollbackd', 'system_snapshots'), ('rollbackd', 'roman_events'), ('rollbackd', 'outbox'),
      ('rollbackd', 'breakers'),
      ('rollbackd_writer', 'system_logs'), ('rollbackd_writer', 'response_times'),
      ('rollbackd_writer', 'deployments'), ('rollbackd_writer', 'migration_history'),
      ('rollbackd_owner', 'rollback_events'), ('rollbackd_owner', 'system_snapshots')
    ) as g (who, relation)
    join pg_roles r on r.rolname = g.who
    join pg_attribute a
      on a.attrelid = to_regclass('ops.' || g.relation) and a.attname = 'id'
      and not a.attisdropped and a.attidentity = ''
    cross join lateral pg_get_serial_sequence('ops.' || g.relation, 'id') as s (name)
    where s.name is not null and not has_sequence_privilege(r.oid, s.name, 'usage')
  loop
    perform ops.rollbackd_try(v_grant.statement, v_grant.owner);
  end loop;
end
$$;
