-- The triggers. Installed once: one that is already as it should be is left alone, because creating
-- or dropping a trigger waits for every writer and makes every writer behind it wait.
--
-- K, the lock that lets the bell ring, is 8245928655501484907, the bytes of "rollback". The bell
-- rings only while somebody holds K exclusively. The row triggers are cloned to every partition,
-- also to later ones, and ENABLE ALWAYS makes them fire for rows that logical replication brings.
--
-- A WHEN clause runs with the writer's rights. Where the lock function is not for everybody, it
-- would fail people's inserts: no bell then, the daemon polls.

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
      ('ops.system_logs', 'rollbackd_ring', 'ops.rollbackd_ring()', 'after insert',
       'when (new.severity in (''error'', ''critical'') '
       || 'and not pg_catalog.pg_try_advisory_xact_lock_shared(8245928655501484907))', 1 + 4,
       'AND (NOT pg_try_advisory_xact_lock_shared(''8245928655501484907''::bigint))')
    ) as wanted (relation, name, function, moment, condition, type, distinctive)
    left join pg_trigger t
      on t.tgrelid = wanted.relation::regclass and t.tgname = wanted.name and not t.tgisinternal
  loop
    if v_wanted.name = 'rollbackd_ring' and not has_function_privilege(
         'public', 'pg_catalog.pg_try_advisory_xact_lock_shared(bigint)', 'execute') then
      raise warning 'no doorbell on %, the daemon polls: % is not for everybody here',
        v_wanted.relation, 'pg_try_advisory_xact_lock_shared(bigint)';
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
