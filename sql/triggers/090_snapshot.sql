-- The state of the database at one moment, to compare with another.

-- What makes up the schema of all that is not the system's: a change of any definition changes it,
-- rows and statistics do not. Nothing here takes a lock on a table, so it never waits for a
-- migration.
create or replace function ops.rollbackd_schema_hash() returns text
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  with user_schema as (
    select n.oid, n.nspname
    from pg_namespace n
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  ),
  relation as (
    select c.oid, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relhasindex,
           format('%I.%I', s.nspname, c.relname) as name
    from pg_class c
    join user_schema s on s.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relpersistence <> 't'
  ),
  definition (line) as (
    select concat_ws(' ', 'relation', r.name, r.relkind, r.relrowsecurity, r.relforcerowsecurity)
    from relation r
    union all
    select concat_ws(' ', 'column', r.name, a.attnum, a.attname,
                     format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                     a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
    from relation r
    join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
    union all
    select concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid)
    from relation r
    join pg_index i on i.indrelid = r.oid
    union all
    select concat_ws(' ', 'constraint', r.name, c.conname, c.convalidated,
                     pg_get_constraintdef(c.oid))
    from relation r
    join pg_constraint c on c.conrelid = r.oid
    union all
    select concat_ws(' ', 'trigger', r.name, t.tgenabled, pg_get_triggerdef(t.oid))
    from relation r
    join pg_trigger t on t.tgrelid = r.oid and not t.tgisinternal
    union all
    select concat_ws(' ', 'function', s.nspname, p.proname, p.prokind,
                     pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
                     l.lanname, p.provolatile, p.proisstrict, p.prosecdef, p.proconfig::text,
                     md5(concat(p.prosrc, p.probin, p.prosqlbody)))
    from user_schema s
    join pg_proc p on p.pronamespace = s.oid
    join pg_language l on l.oid = p.prolang
    union all
    select concat_ws(' ', 'type', s.nspname, t.typname, t.typtype, e.enumlabel, e.enumsortorder)
    from user_schema s
    join pg_type t on t.typnamespace = s.oid and t.typtype in ('e', 'd')
    left join pg_enum e on e.enumtypid = t.oid
  )
  select encode(sha256(convert_to(coalesce(string_agg(line, E'\n' order by line collate "C"), ''),
                                  'UTF8')), 'hex')
  from definition
$$;

comment on function ops.rollbackd_schema_hash() is 'rollbackd: SHA-256 over all user definitions';

-- Rows per table, partitions added to their parent: exact for tables under 10,000 pages, else, or
-- when p_until has passed, the table is locked or not ours to read, the planner's estimate, and the
-- table's name in `estimated`. Small tables come first, so that little time gives many exact counts.
--
-- Each table is counted in a subtransaction that is then undone: only so its lock is given back at
-- once. Kept to the end, thousands of them fill the server's lock table, and migrations wait for us.
create or replace function ops.rollbackd_table_counts(p_until timestamptz) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '50ms'
set row_security = off
as $$
declare
  v_table record;
  v_exact bigint;
  v_plan json;
  v_names text[] := '{}';
  v_rows bigint[] := '{}';
  v_estimated boolean[] := '{}';
begin
  for v_table in
    select c.oid, format('%I.%I', n.nspname, c.relname) as name,
           format('%I.%I', rn.nspname, r.relname) as root,
           greatest(c.reltuples, 0)::bigint as tuples
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_class r on r.oid = coalesce(pg_partition_root(c.oid)::oid, c.oid)
    join pg_namespace rn on rn.oid = r.relnamespace
    where c.relkind in ('r', 'm') and c.relpersistence <> 't'
      and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    order by c.relpages, c.oid
  loop
    v_exact := null;
    if clock_timestamp() < p_until then
      begin
        if pg_relation_size(v_table.oid) < 10000 * current_setting('block_size')::bigint then
          execute format('select count(*) from only %s', v_table.name) into v_exact;
        else
          execute format('explain (format json) select from only %s', v_table.name) into v_plan;
          v_table.tuples := (v_plan -> 0 -> 'Plan' ->> 'Plan Rows')::bigint;
        end if;
        raise exception using errcode = 'RB000';
      exception
        when sqlstate 'RB000' then
          null;
        when lock_not_available or insufficient_privilege or undefined_table
          or object_not_in_prerequisite_state then
          v_exact := null;
      end;
    end if;
    v_names := v_names || v_table.root;
    v_rows := v_rows || coalesce(v_exact, v_table.tuples);
    v_estimated := v_estimated || (v_exact is null);
  end loop;
  return (
    select coalesce(jsonb_object_agg(t.name, t.rows), '{}') || jsonb_build_object(
             'estimated', coalesce(jsonb_agg(t.name order by t.name) filter (where t.estimated), '[]'))
    from (select c.name, sum(c.rows) as rows, bool_or(c.estimated) as estimated
          from unnest(v_names, v_rows, v_estimated) as c (name, rows, estimated)
          group by c.name) as t);
end
$$;

comment on function ops.rollbackd_table_counts(timestamptz) is 'rollbackd: rows per table';

-- 2 s in all: from 1.5 s on only what costs nothing is added. Whoever calls it should still set a
-- statement_timeout, because a single count on a slow disk can take longer.
create or replace function ops.create_system_snapshot(p_deployment_id uuid, p_snapshot_type text)
returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_until constant timestamptz := clock_timestamp() + interval '1.5 s';
  v_hash text;
  v_counts jsonb;
  v_size bigint;
  v_backends record;
  v_snapshot_id uuid;
begin
  if p_snapshot_type is null
     or p_snapshot_type not in ('pre_deployment', 'post_deployment', 'pre_rollback') then
    raise exception 'p_snapshot_type is %, expected pre_deployment, post_deployment or %',
      quote_nullable(p_snapshot_type), 'pre_rollback' using errcode = 'invalid_parameter_value';
  end if;
  if not exists (select from ops.deployments d where d.deployment_id = p_deployment_id) then
    raise exception 'no deployment %', quote_nullable(p_deployment_id::text)
      using errcode = 'no_data_found', hint = 'record it in ops.deployments first';
  end if;

  -- The samples first: they are of the moment, and the counting below disturbs them.
  select * into v_backends from ops.rollbackd_connections();
  v_hash := ops.rollbackd_schema_hash();
  v_counts := ops.rollbackd_table_counts(v_until);
  if clock_timestamp() < v_until then
    v_size := pg_database_size(current_database());
  end if;

  insert into ops.system_snapshots (deployment_id, snapshot_type, database_schema_hash,
                                    table_counts, key_metrics, environment_config)
  values (
    p_deployment_id, p_snapshot_type, v_hash, v_counts,
    jsonb_build_object(
      'connection_utilisation',
      trim_scale(round(100.0 * v_backends.connections / greatest(v_backends.usable, 1), 2)),
      'database_connections', v_backends.connections,
      'database_connections_exact', v_backends.is_exact,
      'usable_connections', v_backends.usable,
      'active_queries', v_backends.active,
      'database_size_bytes', v_size,
      'health', ops.get_deployment_health(p_deployment_id)),
    (select jsonb_object_agg(s.name, current_setting(s.name)) from pg_settings s
     where s.name in ('server_version', 'server_version_num', 'server_encoding', 'max_connections',
                      'superuser_reserved_connections', 'shared_buffers', 'work_mem',
                      'maintenance_work_mem', 'effective_cache_size', 'max_wal_size', 'wal_level',
                      'synchronous_commit', 'fsync', 'max_prepared_transactions',
                      'max_worker_processes', 'autovacuum', 'default_transaction_isolation',
                      'statement_timeout', 'lock_timeout',
                      'idle_in_transaction_session_timeout', 'log_timezone'))
      || jsonb_build_object('database', current_database()))
  returning snapshot_id into v_snapshot_id;
  return v_snapshot_id;
end
$$;

comment on function ops.create_system_snapshot(uuid, text) is
  'rollbackd: schema hash, table counts, metrics and settings of this moment';
