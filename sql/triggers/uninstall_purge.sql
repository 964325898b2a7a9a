-- After uninstall.sql: removes the shared tables, too, WITH ALL THEIR ROWS, people's error log
-- included, and the schema if nothing else is in it. What other objects depend on is not dropped
-- with them.

drop table if exists ops.system_snapshots, ops.migration_history, ops.rollback_events,
  ops.deployments, ops.roman_events, ops.response_times, ops.system_logs;

do $$
begin
  if to_regnamespace('ops') is not null
     and not exists (select from pg_class where relnamespace = to_regnamespace('ops'))
     and not exists (select from pg_proc where pronamespace = to_regnamespace('ops'))
     and not exists (select from pg_type where typnamespace = to_regnamespace('ops')) then
    drop schema ops;
  end if;
end
$$;
