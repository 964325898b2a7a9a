-- What people call to have a log of their own watched, and not any more.

-- Locks the table and its partitions within 2 s or fails. Whoever comes after a waiting lock waits
-- with it, so the 2 s are for all of them together.
create or replace function ops.rollbackd_lock(p_table regclass, p_is_exclusive boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  v_end constant timestamptz := clock_timestamp() + interval '2 s';
  v_relation regclass;
begin
  for v_relation in select t.relation from ops.rollbackd_tree(p_table) t loop
    perform set_config('lock_timeout', greatest(1,
      1000 * extract(epoch from v_end - clock_timestamp()))::integer || 'ms', true);
    execute format('lock table only %s in %s mode', v_relation,
                   case when p_is_exclusive then 'access exclusive' else 'share row exclusive' end);
  end loop;
end
$$;

comment on function ops.rollbackd_lock(regclass, boolean) is
  'rollbackd: locks a log and its partitions, soon or not at all';

-- Who has what rollbackd_lock() did not get, in words: whoever has been at it for longest.
create or replace function ops.rollbackd_blocker(p_table regclass, p_is_exclusive boolean,
                                                 out told text, out pid integer)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  select l.pid, case when l.pid is null then 'a prepared transaction'
      else format('process %s (%s, application %L) has been in a transaction since %s and', l.pid,
        coalesce('role ' || quote_ident(a.usename), a.backend_type, 'unknown'),
        a.application_name, coalesce(a.xact_start::text, 'an unknown time')) end
    || format(' holds %s on %s', l.mode, l.relation::regclass)
  into pid, told
  from pg_locks l
  left join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'relation' and l.granted and l.pid is distinct from pg_backend_pid()
    and l.database = (select d.oid from pg_database d where d.datname = current_database())
    and l.relation in (select t.relation from ops.rollbackd_tree(p_table) t)
    and (p_is_exclusive or l.mode not in ('AccessShareLock', 'RowShareLock'))
  order by a.xact_start, l.pid
  limit 1;
  told := coalesce(told, 'whoever held it has ended by now');
end
$$;

comment on function ops.rollbackd_blocker(regclass, boolean) is
  'rollbackd: who stands in the way of a lock';

-- Runs what rollbackd_attach_steps() says, or drops the triggers, under one short lock. Tries a few
-- times and lets everybody else pass in between. Says what was done.
create or replace function ops.rollbackd_change_table(p_log ops.watched_logs, p_is_attaching boolean)
returns setof text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_attempts_max constant integer := 4;
  v_is_exclusive boolean;
  v_step record;
  v_refused text;
  v_said text[];
  v_blocker record;
begin
  if p_is_attaching then
    select bool_or(s.is_exclusive) into v_is_exclusive from ops.rollbackd_attach_steps(p_log) s;
  else
    select bool_or(s.is_exclusive) into v_is_exclusive from ops.rollbackd_detach_steps(p_log) s;
  end if;
  if v_is_exclusive is null then
    return;
  end if;
  for v_attempt in 1 .. v_attempts_max loop
    begin
      v_said := '{}';
      perform ops.rollbackd_lock(p_log.log, v_is_exclusive);
      -- Somebody else may have done it while this waited.
      for v_step in
        select s.* from ops.rollbackd_attach_steps(p_log) s where p_is_attaching
        union all
        select s.* from ops.rollbackd_detach_steps(p_log) s where not p_is_attaching
      loop
        v_refused := current_setting('rollbackd.refused', true);
        perform ops.rollbackd_try(v_step.statement);
        if current_setting('rollbackd.refused', true) is not distinct from v_refused then
          v_said := v_said || v_step.said;
        end if;
      end loop;
      return query select unnest(v_said);
      return;
    exception when lock_not_available or deadlock_detected then
      v_blocker := ops.rollbackd_blocker(p_log.log, v_is_exclusive);
      if v_attempt = v_attempts_max then
        raise lock_not_available using
          message = format('%s is in use: %s', p_log.log, v_blocker.told),
          detail = format('It was tried %s times, for 2 s each; nothing has been changed.',
                          v_attempts_max),
          hint = 'Call this again when that transaction has ended'
            || coalesce(format('; select pg_terminate_backend(%s) ends it', v_blocker.pid), '')
            || '.';
      end if;
      perform pg_sleep(0.25 * 2 ^ (v_attempt - 1));
    end;
  end loop;
end
$$;

comment on function ops.rollbackd_change_table(ops.watched_logs, boolean) is
  'rollbackd: attaches a log or lets go of it, under a short lock';

-- Writes down what is watched, if it is not written down already. Says so.
create or replace function ops.rollbackd_register(p_log ops.watched_logs) returns setof text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before ops.watched_logs;
  v_is_new boolean;
  v_refused text;
begin
  select w.* into v_before from ops.watched_logs w where w.log = p_log.log;
  v_is_new := v_before.watched is not true;
  p_log.version := v_before.version;
  p_log.attached_at := case when v_is_new then now() else v_before.attached_at end;
  p_log.attached_by := case when v_is_new then current_user else v_before.attached_by end;
  if p_log is not distinct from v_before then
    return;
  end if;
  v_refused := current_setting('rollbackd.refused', true);
  perform ops.rollbackd_try(format(
    'insert into ops.watched_logs as w (log, key_column, timestamp_column, severity_column, '
    'message_column, source_column, metadata_column, environment_column, service_column, '
    'deployment_id_column, xid_column, severities, default_environment, default_service, watched, '
    'attached_at, attached_by) '
    'values (%L, %L, %L, %L, %L, %L, %L, %L, %L, %L, %L, %L, %L, %L, true, %L, %L) '
    'on conflict (log) do update set (key_column, timestamp_column, severity_column, '
    'message_column, source_column, metadata_column, environment_column, service_column, '
    'deployment_id_column, xid_column, severities, default_environment, default_service, watched, '
    'attached_at, attached_by) = row (excluded.key_column, excluded.timestamp_column, '
    'excluded.severity_column, excluded.message_column, excluded.source_column, '
    'excluded.metadata_column, excluded.environment_column, excluded.service_column, '
    'excluded.deployment_id_column, excluded.xid_column, excluded.severities, '
    'excluded.default_environment, excluded.default_service, true, excluded.attached_at, '
    'excluded.attached_by)',
    p_log.log, p_log.key_column, p_log.timestamp_column, p_log.severity_column,
    p_log.message_column, p_log.source_column, p_log.metadata_column, p_log.environment_column,
    p_log.service_column, p_log.deployment_id_column, p_log.xid_column, p_log.severities,
    p_log.default_environment, p_log.default_service, p_log.attached_at, p_log.attached_by));
  if current_setting('rollbackd.refused', true) is not distinct from v_refused then
    return next case when v_is_new then 'watched from now on'
                     else 'watched with other columns or severities from now on' end;
  end if;
end
$$;

comment on function ops.rollbackd_register(ops.watched_logs) is
  'rollbackd: a row of ops.watched_logs';

create or replace function ops.watch_error_log(
  p_table regclass,
  p_key text default 'id',
  p_timestamp text default 'timestamp',
  p_severity text default 'severity',
  p_message text default 'message',
  p_source text default null,
  p_metadata text default null,
  p_environment text default null,
  p_service text default null,
  p_deployment_id text default null,
  p_severities text[] default '{error,critical}',
  p_default_environment text default 'production',
  p_default_service text default 'app')
returns text[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_log ops.watched_logs;
  v_before ops.watched_logs;
  v_line text;
  v_lines integer := 0;
  v_left text[];
begin
  v_log.log := p_table;
  v_log.key_column := p_key;
  v_log.timestamp_column := p_timestamp;
  v_log.severity_column := p_severity;
  v_log.message_column := p_message;
  v_log.source_column := p_source;
  v_log.metadata_column := p_metadata;
  v_log.environment_column := p_environment;
  v_log.service_column := p_service;
  v_log.deployment_id_column := p_deployment_id;
  v_log.severities := p_severities;
  v_log.default_environment := p_default_environment;
  v_log.default_service := p_default_service;
  v_log := ops.rollbackd_checked_log(v_log);
  v_log.watched := true;

  select w.* into v_before from ops.watched_logs w where w.log = p_table;
  -- Another order means the same and is not worth a new trigger.
  if v_before.severities @> v_log.severities and v_before.severities <@ v_log.severities then
    v_log.severities := v_before.severities;
  end if;
  if v_before.watched is not true
     and (select c.relpersistence = 'u' from pg_class c where c.oid = p_table) then
    raise warning '% is unlogged: after a crash of the server its rows are gone and not counted',
      p_table;
  end if;

  perform set_config('rollbackd.refused', '', true);
  for v_line in
    select * from ops.rollbackd_change_table(v_log, true)
    union all
    select * from ops.rollbackd_grant_reading(p_table)
    union all
    select * from ops.rollbackd_register(v_log)
  loop
    v_lines := v_lines + 1;
    raise notice '%: %', p_table, v_line;
  end loop;

  v_left := string_to_array(
      rtrim(nullif(current_setting('rollbackd.refused'), ''), E';\n'), E';\n')
    || array(select * from ops.rollbackd_index_statements(v_log));
  if cardinality(v_left) > 0 then
    raise notice '%: % statements are left to be run, one by one, outside a transaction', p_table,
      cardinality(v_left);
  elsif v_lines = 0 then
    raise notice '%: is watched already', p_table;
  end if;
  return v_left;
end
$$;

comment on function ops.watch_error_log(regclass, text, text, text, text, text, text, text, text,
                                        text, text[], text, text) is
  'rollbackd: watches an error log; returns the statements that are left to be run';

create or replace function ops.unwatch_error_log(p_table regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_log ops.watched_logs;
  v_line text;
begin
  select w.* into v_log from ops.watched_logs w where w.log = p_table;
  if not found then
    raise notice '%: was never watched', p_table;
    return;
  end if;
  if exists (select from pg_class c where c.oid = p_table) then
    perform set_config('rollbackd.refused', '', true);
    for v_line in select * from ops.rollbackd_change_table(v_log, false) loop
      raise notice '%: %', p_table, v_line;
    end loop;
    if current_setting('rollbackd.refused') <> '' then
      raise insufficient_privilege using
        message = format('%s belongs to somebody else than %s', p_table, current_user),
        hint = 'Let its owner call this';
    end if;
  end if;
  if v_log.watched then
    update ops.watched_logs set watched = false where log = p_table;
    raise notice '%: not watched any more; its column % and its indexes stay', p_table,
      v_log.xid_column;
  end if;
end
$$;

comment on function ops.unwatch_error_log(regclass) is
  'rollbackd: watches an error log no more; rows, column and indexes stay';
