-- Removes what we put into the database: triggers, our indexes and policies, functions, and the
-- tables that only we write to. The tables that people and their programs share with us
-- stay with their rows, and so do the roles, which belong to the whole cluster.

-- What is not this user's to drop is collected in the setting rollbackd.refused, for whoever may, and
-- with it the functions that it needs. Triggers first, wherever they are attached, so that no writer
-- calls a function that is gone. The xid columns of people's logs stay: dropping one would lock the
-- table, and their default is a function of the system.
do $$
declare
  v_logs oid[] := '{}';
  v_statement text;
  v_refused boolean := false;
begin
  if to_regclass('ops.watched_logs') is not null then
    v_logs := array(select w.log::oid from ops.watched_logs w);
  end if;
  foreach v_statement in array array(
    select d.statement from (
      select 1 as place, t.oid, format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass)
      from pg_trigger t
      join pg_proc p on p.oid = t.tgfoid
      where p.pronamespace = to_regnamespace('ops')
        and obj_description(p.oid, 'pg_proc') like 'rollbackd:%'
        and t.tgparentid = 0 and not t.tgisinternal
      union all
      select 2, c.oid, format('drop index %s', c.oid::regclass)
      from pg_index i
      join pg_class c on c.oid = i.indexrelid
      where c.relname like 'rollbackd\_%' and not c.relispartition
        and (c.relnamespace = to_regnamespace('ops') or i.indrelid = any (v_logs))
        and not exists (select from pg_constraint k where k.conindid = c.oid)
      union all
      select 3, p.oid, format('drop policy %I on %s', p.polname, p.polrelid::regclass)
      from pg_policy p
      where p.polname like 'rollbackd\_policy\_%'
      union all
      select 4, p.oid, format('drop function %s', p.oid::regprocedure)
      from pg_proc p
      where p.pronamespace = to_regnamespace('ops') and p.prokind = 'f'
        and obj_description(p.oid, 'pg_proc') like 'rollbackd%:%'
    ) as d (place, oid, statement)
    order by d.place, d.oid) loop
    begin
      execute v_statement;
    exception
      when insufficient_privilege or dependent_objects_still_exist then
        if sqlstate = '2BP01' and not v_refused then
          raise;
        end if;
        v_refused := true;
        perform set_config('rollbackd.refused',
          concat(current_setting('rollbackd.refused', true), v_statement, E';\n'), false);
    end;
  end loop;
end
$$;

drop table if exists ops.outbox, ops.control, ops.leader, ops.breakers, ops.heartbeats, ops.alerts,
  ops.request_keys, ops.watched_logs, ops.rollbackd_schema;
