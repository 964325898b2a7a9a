-- Removes what we put into the database: triggers, our indexes and policies, functions, and the
-- tables that only we write to. The tables that people and their programs share with us
-- stay with their rows, and so do the roles, which belong to the whole cluster.

-- Wherever they are attached, so that no writer calls a function that is gone.
do $$
declare
  v_trigger record;
begin
  for v_trigger in
    select t.tgname, t.tgrelid::regclass as relation
    from pg_trigger t
    join pg_proc p on p.oid = t.tgfoid
    where p.pronamespace = to_regnamespace('ops')
      and obj_description(p.oid, 'pg_proc') like 'rollbackd:%'
      and t.tgparentid = 0 and not t.tgisinternal
  loop
    execute format('drop trigger %I on %s', v_trigger.tgname, v_trigger.relation);
  end loop;
end
$$;

do $$
declare
  v_index regclass;
begin
  for v_index in
    select i.indexrelid
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    where c.relnamespace = to_regnamespace('ops') and c.relname like 'rollbackd\_%'
      and not c.relispartition
      and not exists (select from pg_constraint k where k.conindid = c.oid)
  loop
    execute format('drop index %s', v_index);
  end loop;
end
$$;

-- Those on people's own logs. The xid columns stay: dropping one would lock the table, and their
-- default is a function of the system.
do $$
declare
  v_index regclass;
begin
  if to_regclass('ops.watched_logs') is null then
    return;
  end if;
  for v_index in
    select i.indexrelid
    from ops.watched_logs w
    join pg_index i on i.indrelid = w.log::oid
    join pg_class c on c.oid = i.indexrelid
    where c.relname like 'rollbackd\_%' and not c.relispartition
      and not exists (select from pg_constraint k where k.conindid = c.oid)
  loop
    execute format('drop index %s', v_index);
  end loop;
end
$$;

do $$
declare
  v_policy record;
begin
  for v_policy in
    select p.polname, p.polrelid::regclass as relation
    from pg_policy p
    where p.polname like 'rollbackd\_policy\_%'
  loop
    execute format('drop policy %I on %s', v_policy.polname, v_policy.relation);
  end loop;
end
$$;

do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid
    from pg_proc p
    where p.pronamespace = to_regnamespace('ops') and p.prokind = 'f'
      and obj_description(p.oid, 'pg_proc') like 'rollbackd%:%'
  loop
    execute format('drop function %s', v_function);
  end loop;
end
$$;

drop table if exists ops.outbox, ops.control, ops.leader, ops.breakers, ops.request_keys,
  ops.watched_logs, ops.rollbackd_schema;
