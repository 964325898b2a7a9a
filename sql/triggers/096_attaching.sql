-- What being watched consists of: the column, the triggers, the policies, the indexes. These
-- functions say which statements a table still needs; who runs them is 110 for the installer and
-- ops.watch_error_log() for everybody else.

-- The server gives conditions back in words of its own: with casts, parentheses and ARRAYs. Two texts
-- that come to the same here mean the same, for the conditions that we write.
create or replace function ops.rollbackd_plain(p_expression text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select replace(translate(regexp_replace(p_expression,
    '::("[^"]*"|\w+)(\.("[^"]*"|\w+))?( varying)?(\(\d+\))?(\[\])?', '', 'g'),
    '()'' ', ''), 'pg_catalog.', '')
$$;

comment on function ops.rollbackd_plain(text) is 'rollbackd: an expression without its decoration';

-- `severity in ('error', 'critical')` for people, and as the server gives it back.
create or replace function ops.rollbackd_counts(p_log ops.watched_logs,
                                                out condition text, out plain text)
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select quote_ident(p_log.severity_column) || ' in (' || s.literals || ')',
         ops.rollbackd_plain(quote_ident(p_log.severity_column)
           || case when cardinality(p_log.severities) = 1 then '=' || s.literals
                   else '=ANYARRAY[' || replace(s.literals, ', ', ',') || ']' end)
  from (select string_agg(quote_literal(s.name), ', ' order by s.place) as literals
        from unnest(p_log.severities) with ordinality as s (name, place)) s
$$;

comment on function ops.rollbackd_counts(ops.watched_logs) is
  'rollbackd: which rows of a watched log count';

-- The table and all below it, parents first. pg_partition_tree() knows no plain tables.
create or replace function ops.rollbackd_tree(p_table regclass)
returns table (relation regclass, parent regclass, is_leaf boolean, level integer)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select p_table, null::regclass, c.relkind <> 'p', 0 from pg_class c where c.oid = p_table
  union all
  select t.relid, t.parentrelid, t.isleaf, t.level from pg_partition_tree(p_table) t
  where t.level > 0
  order by 4, 1
$$;

comment on function ops.rollbackd_tree(regclass) is 'rollbackd: a table and its partitions';

-- What must still be done to the table itself, in order. `is_exclusive`: the statement shuts out
-- readers, too. Empty: all of it is right.
--
-- K, the lock that lets the bell ring, is 8245928655501484907, the bytes of "rollback". The bell
-- rings only while somebody holds K exclusively. Row triggers are cloned to every partition, also to
-- later ones, and ENABLE ALWAYS makes them fire for rows that logical replication brings.
--
-- The server reads a WHEN clause anew for each statement, so its length is what it costs: that of the
-- stamp does not ask for the severity, which would be 7 us instead of 2. That of the bell has one
-- constant for all severities, and IS FALSE instead of NOT: 4.4 us instead of 5.2.
--
-- A WHEN clause runs with the writer's rights. Where a function in it is not for everybody, it would
-- fail people's inserts: no such trigger then.
create or replace function ops.rollbackd_attach_steps(p_log ops.watched_logs)
returns table (statement text, said text, is_exclusive boolean)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_column record;
  v_wanted record;
  v_function regprocedure;
begin
  is_exclusive := true;
  select a.attnum, a.atthasdef or a.attidentity <> '' as has_default into v_column
  from pg_attribute a
  where a.attrelid = p_log.log::oid and a.attname = p_log.xid_column and not a.attisdropped;
  -- Old rows keep a null: a default that came with the column would rewrite the table.
  if not found or not v_column.has_default then
    statement := format('alter table %s %salter column %I set default pg_current_xact_id()',
      p_log.log, case when v_column.attnum is null then
        format('add column %I xid8, ', p_log.xid_column) else '' end, p_log.xid_column);
    said := case when v_column.attnum is null then
        format('column %I added, without a rewrite', p_log.xid_column)
      else format('default of column %I set', p_log.xid_column) end;
    return next;
  end if;

  for statement, said in
    select format('create policy %I on %s for select to %I using (true)',
                  'rollbackd_policy_' || r.rolname, p_log.log, r.rolname),
           format('policy for %I added, so that row-level security hides nothing', r.rolname)
    from pg_class c
    join pg_roles r on r.rolname in ('rollbackd', 'rollbackd_owner')
    where c.oid = p_log.log::oid and c.relrowsecurity
      and not exists (select from pg_policy p
                      where p.polrelid = c.oid and p.polname = 'rollbackd_policy_' || r.rolname)
  loop
    return next;
  end loop;

  is_exclusive := false;
  for v_wanted in
    select w.*, t.oid is not null and t.tgtype = w.type and t.tgfoid = w.function::regprocedure
             and ops.rollbackd_plain(substring(pg_get_triggerdef(t.oid)
                                               from 'WHEN \((.*)\) EXECUTE FUNCTION')) = w.plain
             as is_right,
           not exists (
             select from ops.rollbackd_tree(p_log.log) r
             left join pg_trigger p on p.tgrelid = r.relation and p.tgname = w.name
             where p.tgenabled is distinct from case w.firing when 'always' then 'A' else 'R' end)
             as is_enabled
    from (values ('new.%I = ANY (%s) AND pg_catalog.pg_try_advisory_xact_lock_shared'
                  '(8245928655501484907) IS FALSE')) as bell (condition)
    cross join lateral (values
      ('rollbackd_ring', 'doorbell', 'ops.rollbackd_ring()', 'after insert', 1 + 4,
       format(bell.condition, p_log.severity_column, quote_literal(p_log.severities::text)),
       ops.rollbackd_plain(format(bell.condition, p_log.severity_column, p_log.severities)),
       'pg_catalog.pg_try_advisory_xact_lock_shared(bigint)', 'always'),
      ('rollbackd_stamp', 'stamp of the transaction',
       case p_log.xid_column when 'xid' then 'ops.rollbackd_stamp()'
                             else 'ops.rollbackd_stamp_beside()' end, 'before insert', 1 + 2 + 4,
       format('new.%I is distinct from pg_catalog.pg_current_xact_id()', p_log.xid_column),
       format('new.%IISDISTINCTFROMpg_current_xact_id', p_log.xid_column),
       'pg_catalog.pg_current_xact_id()',
       -- A partition may come without our default.
       (select case c.relkind when 'p' then 'always' else 'replica' end from pg_class c
        where c.oid = p_log.log::oid))
    ) as w (name, meaning, function, moment, type, condition, plain, needs, firing)
    left join pg_trigger t
      on t.tgrelid = p_log.log::oid and t.tgname = w.name and not t.tgisinternal
  loop
    v_function := v_wanted.needs;
    if v_wanted.name = 'rollbackd_ring' and has_function_privilege('public', v_function, 'execute') then
      v_function := 'pg_catalog.pg_notify(text,text)';  -- the function runs as the writer, too
    end if;
    if not has_function_privilege('public', v_function, 'execute') then
      raise warning 'no % on %, the daemon %: % is not for everybody here', v_wanted.meaning,
        p_log.log, case v_wanted.name when 'rollbackd_ring' then 'polls'
                                      else 'cannot find rows with a foreign xid' end, v_function;
      continue;
    end if;
    continue when v_wanted.is_right and v_wanted.is_enabled;
    statement := format('alter table %s enable %s trigger %I', p_log.log, v_wanted.firing, v_wanted.name);
    said := format('%s %I made ENABLE %s again', v_wanted.meaning, v_wanted.name,
                   upper(v_wanted.firing));
    if not v_wanted.is_right then
      statement := format(
        'create or replace trigger %I %s on %s for each row when (%s) execute function %s; ',
        v_wanted.name, v_wanted.moment, p_log.log, v_wanted.condition, v_wanted.function)
        || statement;
      said := format('%s %I attached', v_wanted.meaning, v_wanted.name);
    end if;
    return next;
  end loop;
end
$$;

comment on function ops.rollbackd_attach_steps(ops.watched_logs) is
  'rollbackd: statements that a watched log still needs, without its indexes';

-- The same for a log that is to be let go of: its triggers.
create or replace function ops.rollbackd_detach_steps(p_log ops.watched_logs)
returns table (statement text, said text, is_exclusive boolean)
language sql
set search_path = pg_catalog, pg_temp
as $$
  select format('drop trigger %I on %s', t.tgname, p_log.log),
         format('trigger %I removed', t.tgname), true
  from pg_trigger t
  join pg_proc p on p.oid = t.tgfoid and p.pronamespace = 'ops'::regnamespace
    and p.proname in ('rollbackd_ring', 'rollbackd_stamp', 'rollbackd_stamp_beside')
  where t.tgrelid = p_log.log::oid and t.tgparentid = 0
$$;

comment on function ops.rollbackd_detach_steps(ops.watched_logs) is
  'rollbackd: statements that take the triggers from a watched log';

-- Our roles may read the log; says in a line each what it granted. What the caller may not grant is remembered by ops.rollbackd_try().
create or replace function ops.rollbackd_grant_reading(p_log regclass) returns setof text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_grant record;
  v_refused text;
begin
  for v_grant in
    select format('grant select on %s to %I', p_log, r.rolname) as statement,
           format('%I may read it', r.rolname) as said, c.relowner as owner
    from pg_class c
    join pg_roles r on r.rolname in ('rollbackd', 'rollbackd_owner') and r.oid <> c.relowner
    where c.oid = p_log
      and not exists (select from aclexplode(c.relacl) a
                      where a.grantee = r.oid and a.privilege_type = 'SELECT')
    union all
    select format('grant usage on schema %I to %I', n.nspname, r.rolname),
           format('%I may use the schema %I', r.rolname, n.nspname), n.nspowner
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_roles r on r.rolname in ('rollbackd', 'rollbackd_owner')
    where c.oid = p_log and not has_schema_privilege(r.oid, n.oid, 'usage')
  loop
    v_refused := current_setting('rollbackd.refused', true);
    perform ops.rollbackd_try(v_grant.statement, v_grant.owner);
    if current_setting('rollbackd.refused', true) is not distinct from v_refused then
      return next v_grant.said;
    end if;
  end loop;
end
$$;

comment on function ops.rollbackd_grant_reading(regclass) is
  'rollbackd: lets the daemon and the functions read a watched log';
