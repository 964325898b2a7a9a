-- The triggers. Installed once: one that is already as it should be is left alone, because creating
-- or dropping a trigger waits for every writer and makes every writer behind it wait. K and why there
-- may be no bell: 096.

do $$
declare
  v_wanted record;
  v_statement text;
begin
  for v_wanted in
    select wanted.*, t.tgenabled,
           t.oid is not null and t.tgfoid = wanted.function::regprocedure
             and t.tgtype = wanted.type
             and pg_get_triggerdef(t.oid) like '%' || wanted.distinctive || '%' as is_right
    from (values
      ('ops.deployments', 'rollbackd_before_deployment', 'ops.rollbackd_before_deployment()',
       'before insert or update', '', 1 + 2 + 4 + 16, ''),
      ('ops.deployments', 'rollbackd_ring', 'ops.rollbackd_ring()', 'after insert or update',
       'when (not pg_catalog.pg_try_advisory_xact_lock_shared(8245928655501484907))', 1 + 4 + 16,
       'WHEN ((NOT pg_try_advisory_xact_lock_shared(''8245928655501484907''::bigint)))'),
      ('ops.watched_logs', 'rollbackd_new_version', 'ops.rollbackd_new_version()',
       'before insert or update', '', 1 + 2 + 4 + 16, '')
    ) as wanted (relation, name, function, moment, condition, type, distinctive)
    left join pg_trigger t
      on t.tgrelid = wanted.relation::regclass and t.tgname = wanted.name and not t.tgisinternal
  loop
    if v_wanted.name = 'rollbackd_ring' and not (
         has_function_privilege('public', 'pg_try_advisory_xact_lock_shared(bigint)', 'execute')
         and has_function_privilege('public', 'pg_notify(text,text)', 'execute')) then
      raise warning 'no doorbell on %, the daemon polls: % or % is not for everybody here',
        v_wanted.relation, 'pg_try_advisory_xact_lock_shared(bigint)', 'pg_notify(text,text)';
      continue;
    end if;
    v_statement := '';
    if v_wanted.is_right is not true then
      v_statement := format(
        'create or replace trigger %I %s on %s for each row %s execute function %s; ',
        v_wanted.name, v_wanted.moment, v_wanted.relation, v_wanted.condition,
        v_wanted.function);
    end if;
    if v_wanted.is_right is not true or v_wanted.tgenabled <> 'A' then
      v_statement := v_statement || format('alter table %s enable always trigger %I',
                                           v_wanted.relation, v_wanted.name);
    end if;
    continue when v_statement = '';
    perform ops.rollbackd_try(v_statement);
  end loop;
end
$$;

-- The default error log is watched unless somebody has said otherwise, our own heartbeats always, and every watched log gets
-- what it lacks. What became of its columns since is for the daemon's check of the schema to tell.
do $$
declare
  v_log ops.watched_logs;
  v_step record;
  v_line text;
begin
  if not exists (select from ops.watched_logs w where w.log = 'ops.system_logs'::regclass) then
    v_log := row ('ops.system_logs'::regclass, 'id', 'timestamp', 'severity', 'message', 'source',
                  'metadata', 'environment', 'service', 'deployment_id', 'xid',
                  '{error,critical}', 'production', 'app', true);
    perform ops.rollbackd_register(v_log);
  end if;
  v_log := row ('ops.heartbeats'::regclass, 'id', 'timestamp', 'severity', null, null, null,
                'environment', 'service', null, 'xid', '{heartbeat}', 'rollbackd', 'heartbeat', true);
  perform ops.rollbackd_register(v_log);
  for v_log in
    select w.* from ops.watched_logs w
    join pg_class c on c.oid = w.log::oid
    where w.watched
    order by w.log::oid
  loop
    if not exists (select from pg_attribute a
                   where a.attrelid = v_log.log::oid and a.attname = v_log.severity_column) then
      raise warning '% has no column % any more: call ops.watch_error_log() for it again', v_log.log,
        v_log.severity_column;
      continue;
    end if;
    for v_step in select s.* from ops.rollbackd_attach_steps(v_log) s loop
      perform ops.rollbackd_try(v_step.statement);
    end loop;
    if v_log.log <> 'ops.system_logs'::regclass then
      perform ops.rollbackd_grant_reading(v_log.log);
    end if;
  end loop;
end
$$;
