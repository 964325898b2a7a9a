-- Where a table has row-level security our roles need policies, or they see no rows and nobody
-- notices. What a role may do is still decided by its grants.

do $$
declare
  v_statement text;
begin
  for v_statement in
    select format('create policy %I on ops.%I for %s to %I using (true)%s',
                             'rollbackd_policy_' || r.rolname, c.relname,
                             case r.rolname when 'rollbackd_reader' then 'select' else 'all' end,
                             r.rolname,
                             case r.rolname when 'rollbackd_reader' then ''
                                            else ' with check (true)' end)
    from pg_class c
    cross join pg_roles r
    where c.relnamespace = 'ops'::regnamespace and c.relkind in ('r', 'p') and c.relrowsecurity
      and c.relname in ('deployments', 'rollback_events', 'system_snapshots', 'migration_history',
                        'system_logs', 'roman_events', 'response_times', 'outbox', 'control',
                        'leader', 'breakers', 'heartbeats', 'alerts', 'request_keys',
                        'watched_logs',
                        'rollbackd_schema')
      and r.rolname in ('rollbackd', 'rollbackd_owner', 'rollbackd_writer', 'rollbackd_reader')
      and not exists (select from pg_policy p
                      where p.polrelid = c.oid and p.polname = 'rollbackd_policy_' || r.rolname)
  loop
    perform ops.rollbackd_try(v_statement);
  end loop;
end
$$;
