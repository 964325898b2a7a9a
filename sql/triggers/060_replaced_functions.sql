-- The procedures had functions of the same names. CREATE OR REPLACE can change neither the name of
-- a parameter nor what is returned, so one that differs there steps aside under another name until
-- 100 has handed its callers on. Whoever may call it is written down first, PUBLIC included: an
-- access list that was never touched says it by saying nothing.

do $$
declare
  v_function record;
begin
  for v_function in
    select p.oid, p.oid::regprocedure as called, p.proname,
           pg_get_function_identity_arguments(p.oid) as arguments,
           ours.arguments as wanted_arguments, p.pronargdefaults > ours.defaults as more_defaults,
           pg_get_function_result(p.oid) as result, ours.result as wanted_result, p.proacl
    from (values
      ('get_deployment_health', 'p_deployment_id uuid', 'jsonb', 0),
      ('get_rollback_target', 'p_environment text',
       'TABLE(deployment_id uuid, version text, git_commit text, '
       || 'deployed_at timestamp with time zone, health_check_passed boolean)', 0),
      ('get_rollback_target', 'p_deployment_id uuid',
       'TABLE(deployment_id uuid, version text, git_commit text, '
       || 'deployed_at timestamp with time zone, health_check_passed boolean)', 0),
      ('create_system_snapshot', 'p_deployment_id uuid, p_snapshot_type text', 'uuid', 0),
      ('record_rollback_event',
       'p_deployment_id uuid, p_trigger_type text, p_trigger_reason text, p_initiated_by uuid',
       'uuid', 1)
    ) as ours (name, arguments, result, defaults)
    join pg_proc p
      on p.pronamespace = 'ops'::regnamespace and p.proname = ours.name
      and oidvectortypes(p.proargtypes)
        = regexp_replace(ours.arguments, 'p_\w+ ', '', 'g')
    where coalesce(obj_description(p.oid, 'pg_proc'), '') not like 'rollbackd:%'
  loop
    if v_function.proacl is null then
      execute format('grant execute on function %s to public', v_function.called);
    end if;
    if v_function.arguments <> v_function.wanted_arguments or v_function.more_defaults
       or v_function.result <> v_function.wanted_result then
      execute format('alter function %s rename to %I', v_function.called,
                                v_function.proname || '_before_rollbackd');
    end if;
  end loop;
end
$$;
