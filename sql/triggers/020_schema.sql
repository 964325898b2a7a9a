-- Schema ops and the table that says which of these files ran. Needs CREATE on the database if the
-- schema does not exist yet.

do $$
begin
  if to_regnamespace('ops') is null then
    create schema ops;
    if exists (select from pg_roles where rolname = 'rollbackd_owner'
               and pg_has_role(current_user, oid, 'member')) then
      alter schema ops owner to rollbackd_owner;
    end if;
  end if;
end
$$;

-- In a schema of somebody else the owner of our objects must be allowed to have them there.
do $$
begin
  if exists (select from pg_roles where rolname = 'rollbackd_owner'
             and not (has_schema_privilege(oid, 'ops', 'create')
                      and has_schema_privilege(oid, 'ops', 'usage'))) then
    grant create, usage on schema ops to rollbackd_owner;
  end if;
end
$$;

-- Which functions are there already, for 100: the rights of a new one are not those that
-- ALTER DEFAULT PRIVILEGES of the schema would give it.
do $$
begin
  perform set_config('rollbackd.functions_before',
    coalesce((select array_agg(p.oid) from pg_proc p
              where p.pronamespace = 'ops'::regnamespace)::text, '{}'), false);
end
$$;

-- Takes a table that only we write to, just made, from those whom ALTER DEFAULT PRIVILEGES of the
-- schema has given it to, as Supabase's manual tells people to have it for what is reached by its API:
-- the pause, the lead and what is sent to people are nobody else's. What is granted later stays.
create or replace function ops.rollbackd_keep_private(p_table regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation record;
begin
  for v_relation in
    select distinct c.oid::regclass as name, c.relkind,
           case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as grantee
    from pg_class c, aclexplode(c.relacl) a
    where a.grantee <> c.relowner
      and (c.oid = p_table
           or c.relkind = 'S' and exists (
             select from pg_depend d
             where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refobjid = p_table
               and d.deptype in ('a', 'i')))
  loop
    execute format('revoke all on %s %s from %s',
      case v_relation.relkind when 'S' then 'sequence' else 'table' end, v_relation.name,
      v_relation.grantee);
  end loop;
end
$$;

comment on function ops.rollbackd_keep_private(regclass) is
  'rollbackd install: takes back what default privileges have given';

do $$
begin
  if to_regclass('ops.rollbackd_schema') is null then
    create table ops.rollbackd_schema (
      version integer primary key,
      name text not null,
      installed_at timestamptz not null default now(),
      by text not null default session_user
    );
    perform ops.rollbackd_keep_private('ops.rollbackd_schema');
  end if;
end
$$;

-- The first version had it with one parameter; beside that one the new one could not be called.
do $$
begin
  if to_regprocedure('ops.rollbackd_try(text)') is not null then
    drop function ops.rollbackd_try(text);
  end if;
end
$$;

-- For the files after this one: runs a statement, and if that is not allowed, says so and remembers
-- it in the setting rollbackd.refused, for whoever may. It does nothing the caller could not do.
-- p_owner is whose the object is, where that has to be asked: a GRANT by somebody else who may use
-- the object only warns.
create or replace function ops.rollbackd_try(p_statement text, p_owner oid default null)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not pg_has_role(current_user, p_owner, 'usage') then
    raise insufficient_privilege;
  end if;
  execute p_statement;
exception when insufficient_privilege then
  raise warning 'not allowed: %', p_statement;
  perform set_config('rollbackd.refused',
    concat(current_setting('rollbackd.refused', true), p_statement, E';\n'), false);
end
$$;

comment on function ops.rollbackd_try(text, oid) is
  'rollbackd install: runs a statement or remembers it';
