-- The four roles. Needs CREATEROLE; who has not got it is shown this file to pass on.

-- Owns what we make and runs the functions that people call; nobody logs in as it.
do $$
begin
  if not exists (select from pg_roles where rolname = 'rollbackd_owner') then
    create role rollbackd_owner nologin;
  end if;
end
$$;

-- The daemon.
do $$
begin
  if not exists (select from pg_roles where rolname = 'rollbackd') then
    create role rollbackd login;
  end if;
end
$$;

-- For applications and pipelines, to be granted to their own roles.
do $$
begin
  if not exists (select from pg_roles where rolname = 'rollbackd_writer') then
    create role rollbackd_writer nologin;
  end if;
end
$$;

-- For dashboards.
do $$
begin
  if not exists (select from pg_roles where rolname = 'rollbackd_reader') then
    create role rollbackd_reader nologin;
  end if;
end
$$;

-- Only a member of a role can give objects to it. Somebody else would have to do this for us by
-- name, so it is remembered as ops.rollbackd_try(), which does not exist yet, remembers things.
do $$
declare
  v_statement text := format('grant rollbackd_owner to %I', current_user);
begin
  if not pg_has_role(current_user, 'rollbackd_owner', 'member') then
    execute v_statement;
  end if;
exception when insufficient_privilege or undefined_object then
  perform set_config('rollbackd.refused',
    concat(current_setting('rollbackd.refused', true), v_statement, E';\n'), false);
end
$$;

-- Without the statistics other sessions are invisible, and the connections would be counted as one.
do $$
begin
  if not pg_has_role('rollbackd', 'pg_read_all_stats', 'member') then
    grant pg_read_all_stats to rollbackd;
  end if;
  if not pg_has_role('rollbackd_owner', 'pg_read_all_stats', 'member') then
    grant pg_read_all_stats to rollbackd_owner;
  end if;
end
$$;

-- A snapshot counts the rows of everybody's tables, so the owner of that function must be able to
-- read them. Where this is refused, the planner's estimates stand in.
do $$
begin
  if not pg_has_role('rollbackd_owner', 'pg_read_all_data', 'member') then
    grant pg_read_all_data to rollbackd_owner;
  end if;
end
$$;
