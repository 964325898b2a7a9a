-- Tables that only we write to.

-- What people are still to be told. A row stays until it is sent, across restarts.
do $$
begin
  if to_regclass('ops.outbox') is null then
    create table ops.outbox (
      id bigserial primary key,
      created_at timestamptz default now(),
      kind text not null,
      event_id uuid,
      payload jsonb not null,
      attempts integer not null default 0,
      next_attempt_at timestamptz not null default now(),
      sent_at timestamptz,
      last_error text
    );
    create index rollbackd_outbox_unsent on ops.outbox (next_attempt_at, id) where sent_at is null;
    perform ops.rollbackd_keep_private('ops.outbox');
  end if;
end
$$;

-- The pause. Exactly one row: the index over a constant keeps it at one.
do $$
begin
  if to_regclass('ops.control') is null then
    create table ops.control (
      paused boolean not null default false,
      paused_by text,
      reason text,
      since timestamptz
    );
    create unique index rollbackd_control_one_row on ops.control ((true));
    perform ops.rollbackd_keep_private('ops.control');
  end if;
  if not exists (select from ops.control) then
    insert into ops.control (paused) values (false);
  end if;
end
$$;

-- Which daemon leads. Exactly one row. Each new leader raises the epoch, and what the daemon changes
-- it changes only while the epoch is still its own. It begins with the time, so that a table made
-- anew never gives an old number to somebody else.
do $$
begin
  if to_regclass('ops.leader') is null then
    create table ops.leader (
      epoch bigint not null,
      holder text,
      since timestamptz
    );
    create unique index rollbackd_leader_one_row on ops.leader ((true));
    perform ops.rollbackd_keep_private('ops.leader');
  end if;
  if not exists (select from ops.leader) then
    insert into ops.leader (epoch) values (extract(epoch from now())::bigint);
  end if;
end
$$;

-- The breakers of environments, those that are closed too. One is open until it has a closed_at; a
-- person closes it with
--   update ops.breakers set closed_at = now(), closed_by = 'who' where environment = 'production'
--     and closed_at is null;
do $$
begin
  if to_regclass('ops.breakers') is null then
    create table ops.breakers (
      id bigserial primary key,
      environment text not null,
      reason text not null,
      opened_at timestamptz not null default now(),
      closed_at timestamptz,
      closed_by text,
      close_reason text
    );
    create unique index rollbackd_breakers_open on ops.breakers (environment)
      where closed_at is null;
    perform ops.rollbackd_keep_private('ops.breakers');
  end if;
end
$$;

-- Requests that were carried out, by the key that their sender gave them (Idempotency-Key), so that
-- a repetition is known again, by the next daemon, too. A row is written with what was done, and gets
-- its answer when that was given. The daemon deletes those that are older than a day.
do $$
begin
  if to_regclass('ops.request_keys') is null then
    create table ops.request_keys (
      token text not null,
      key text not null,
      fingerprint text not null,
      kept_at timestamptz not null default now(),
      event_id uuid,
      status integer,
      answer text,
      primary key (token, key)
    );
    create index rollbackd_request_keys_kept_at on ops.request_keys (kept_at);
    perform ops.rollbackd_keep_private('ops.request_keys');
  end if;
end
$$;

-- Every error log that was ever watched, with the names of its columns; null: it has none such. The
-- daemon follows it by the sum of the versions, so each change of a row has to come with a number
-- that was never used: a trigger sees to it. A table that is gone leaves its row behind.
do $$
begin
  if to_regclass('ops.watched_logs') is null then
    create table ops.watched_logs (
      log regclass primary key,
      key_column text not null,
      timestamp_column text not null,
      severity_column text not null,
      message_column text,
      source_column text,
      metadata_column text,
      environment_column text,
      service_column text,
      deployment_id_column text,
      xid_column text not null,
      severities text[] not null,
      default_environment text not null,
      default_service text not null,
      watched boolean not null default true,
      version bigserial,
      attached_at timestamptz not null default now(),
      attached_by text not null default current_user
    );
    perform ops.rollbackd_keep_private('ops.watched_logs');
  end if;
end
$$;

-- A watched log of our own: the leader writes a row every few seconds and waits to see it, which
-- proves the way that events take. Never more than a few rows.
do $$
begin
  if to_regclass('ops.heartbeats') is null then
    create table ops.heartbeats (
      id bigint generated always as identity primary key,
      "timestamp" timestamptz not null default clock_timestamp(),
      severity text not null default 'heartbeat',
      environment text not null default 'rollbackd',
      service text not null default 'heartbeat',
      xid xid8 default pg_current_xact_id()
    );
    perform ops.rollbackd_keep_private('ops.heartbeats');
  end if;
end
$$;

-- The alerts of Alertmanagers that fire for a service, until they are told to be resolved. One that
-- was forgotten by its Alertmanager can be deleted here.
do $$
begin
  if to_regclass('ops.alerts') is null then
    create table ops.alerts (
      fingerprint text primary key,
      alert text not null,
      environment text not null,
      service text not null,
      starts_at timestamptz not null,
      summary text,
      told_at timestamptz not null default now()
    );
    perform ops.rollbackd_keep_private('ops.alerts');
  end if;
end
$$;

do $$
declare
  v_table text;
begin
  for v_table in
    select c.relname
    from pg_class c
    join pg_roles o on o.rolname = 'rollbackd_owner' and o.oid <> c.relowner
    where c.relnamespace = 'ops'::regnamespace and c.relkind = 'r'
      and c.relname in ('outbox', 'control', 'leader', 'breakers', 'request_keys', 'watched_logs',
                        'heartbeats', 'alerts', 'rollbackd_schema')
      and pg_has_role(current_user, c.relowner, 'member')
      and pg_has_role(current_user, o.oid, 'member')
      and has_schema_privilege(o.oid, 'ops', 'create')
  loop
    execute format('alter table ops.%I owner to rollbackd_owner', v_table);
  end loop;
end
$$;
