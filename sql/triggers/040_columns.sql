-- Tables that were there before us get the columns and defaults they lack, and lose the one CHECK
-- that would refuse our rows. Nothing is locked where nothing is missing and nothing is rewritten:
-- a default that is computed per row is set after its column is there, so that old rows show null.
-- (An old row with a time or an xid of today would be taken for an event of today.) Only constants
-- come at once.
--
-- The xid of system_logs comes as that of every watched log, see 110.
--
-- What is not ours to change is collected in the setting rollbackd.refused, for whoever may.

do $$
declare
  v_wanted record;
  v_statement text;
begin
  for v_wanted in
    select wanted.*, a.attnum, a.atthasdef or a.attidentity <> '' as has_default
    from (values
      ('deployments', 'deployment_id', 'uuid', null, 'gen_random_uuid()'),
      ('deployments', 'environment', 'text', null, null),
      ('deployments', 'version', 'text', null, null),
      ('deployments', 'git_commit', 'text', null, null),
      ('deployments', 'git_branch', 'text', null, null),
      ('deployments', 'deployed_by', 'uuid', null, null),
      ('deployments', 'deployed_at', 'timestamptz', null, 'now()'),
      ('deployments', 'status', 'text', null, '''pending'''),
      ('deployments', 'rollback_from', 'uuid', null, null),
      ('deployments', 'health_check_passed', 'boolean', 'false', 'false'),
      ('deployments', 'health_check_details', 'jsonb', null, null),
      ('deployments', 'constitutional_validation', 'jsonb', null, null),
      ('deployments', 'metadata', 'jsonb', null, null),
      ('deployments', 'completed_at', 'timestamptz', null, null),
      ('deployments', 'rolled_back_at', 'timestamptz', null, null),
      ('deployments', 'service', 'text', '''app''', '''app'''),
      ('deployments', 'xid', 'xid8', null, null),
      ('rollback_events', 'event_id', 'uuid', null, 'gen_random_uuid()'),
      ('rollback_events', 'deployment_id', 'uuid', null, null),
      ('rollback_events', 'trigger_type', 'text', null, null),
      ('rollback_events', 'trigger_reason', 'text', null, null),
      ('rollback_events', 'initiated_by', 'uuid', null, null),
      ('rollback_events', 'initiated_at', 'timestamptz', null, 'now()'),
      ('rollback_events', 'status', 'text', null, '''pending'''),
      ('rollback_events', 'rollback_plan', 'jsonb', null, null),
      ('rollback_events', 'rollback_steps', 'jsonb[]', null, null),
      ('rollback_events', 'constitutional_validation', 'jsonb', null, null),
      ('rollback_events', 'completed_at', 'timestamptz', null, null),
      ('rollback_events', 'metadata', 'jsonb', null, null),
      ('rollback_events', 'environment', 'text', null, null),
      ('rollback_events', 'service', 'text', null, null),
      ('system_snapshots', 'snapshot_id', 'uuid', null, 'gen_random_uuid()'),
      ('system_snapshots', 'deployment_id', 'uuid', null, null),
      ('system_snapshots', 'snapshot_type', 'text', null, null),
      ('system_snapshots', 'database_schema_hash', 'text', null, null),
      ('system_snapshots', 'table_counts', 'jsonb', null, null),
      ('system_snapshots', 'key_metrics', 'jsonb', null, null),
      ('system_snapshots', 'environment_config', 'jsonb', null, null),
      ('system_snapshots', 'created_at', 'timestamptz', null, 'now()'),
      ('migration_history', 'deployment_id', 'uuid', null, null),
      ('migration_history', 'migration_name', 'text', null, null),
      ('migration_history', 'migration_hash', 'text', null, null),
      ('migration_history', 'applied_at', 'timestamptz', null, 'now()'),
      ('migration_history', 'rolled_back_at', 'timestamptz', null, null),
      ('migration_history', 'rollback_successful', 'boolean', null, null),
      ('migration_history', 'execution_time_ms', 'integer', null, null),
      ('migration_history', 'error_message', 'text', null, null),
      ('migration_history', 'rollback_script', 'text', null, null),
      ('migration_history', 'metadata', 'jsonb', null, null),
      ('system_logs', 'timestamp', 'timestamptz', null, 'now()'),
      ('system_logs', 'severity', 'text', null, null),
      ('system_logs', 'source', 'text', null, null),
      ('system_logs', 'message', 'text', null, null),
      ('system_logs', 'metadata', 'jsonb', null, null),
      ('system_logs', 'environment', 'text', '''production''', '''production'''),
      ('system_logs', 'service', 'text', '''app''', '''app'''),
      ('system_logs', 'deployment_id', 'uuid', null, null),
      ('roman_events', 'timestamp', 'timestamptz', null, 'now()'),
      ('roman_events', 'event_type', 'text', null, null),
      ('roman_events', 'severity', 'text', null, null),
      ('roman_events', 'source', 'text', null, null),
      ('roman_events', 'description', 'text', null, null),
      ('roman_events', 'metadata', 'jsonb', null, null),
      ('response_times', 'timestamp', 'timestamptz', null, 'now()'),
      ('response_times', 'environment', 'text', '''production''', '''production'''),
      ('response_times', 'service', 'text', '''app''', '''app'''),
      ('response_times', 'deployment_id', 'uuid', null, null),
      ('response_times', 'duration_ms', 'double precision', null, null),
      ('response_times', 'xid', 'xid8', null, 'pg_current_xact_id()')
    ) as wanted (relation, name, type, for_old_rows, value)
    join pg_class c on c.oid = to_regclass('ops.' || wanted.relation)
    left join pg_attribute a
      on a.attrelid = c.oid and a.attname = wanted.name and not a.attisdropped
    where a.attnum is null
       or (wanted.value is not null and not a.atthasdef and a.attidentity = '')
  loop
    v_statement := concat_ws(', ',
      case when v_wanted.attnum is null then
        format('add column %I %s', v_wanted.name, v_wanted.type)
        || coalesce(' default ' || v_wanted.for_old_rows, '')
      end,
      case when v_wanted.value is not null
                and (v_wanted.attnum is not null or v_wanted.for_old_rows is null) then
        format('alter column %I set default %s', v_wanted.name, v_wanted.value)
      end);
    v_statement := format('alter table ops.%I %s', v_wanted.relation, v_statement);
    perform ops.rollbackd_try(v_statement);
  end loop;
end
$$;

-- The procedures knew two environments, we know any.
do $$
declare
  v_statement text;
begin
  for v_statement in
    select format('alter table ops.deployments drop constraint %I', c.conname)
    from pg_constraint c
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
    where c.conrelid = 'ops.deployments'::regclass and c.contype = 'c'
      and cardinality(c.conkey) = 1 and a.attname = 'environment'
      and pg_get_constraintdef(c.oid) like '%''production''%'
  loop
    perform ops.rollbackd_try(v_statement);
  end loop;
end
$$;
