-- What the triggers call. They come before the triggers and after the tables, and are replaced in
-- place: that locks no table.

-- Rings. Nothing in here can fail: no payload to be too long, no cast, no look-up. Whether to ring
-- is the trigger's WHEN clause, which is cheaper than asking in here.
create or replace function ops.rollbackd_ring() returns trigger
language plpgsql
as $$
begin
  perform pg_catalog.pg_notify('rollbackd', '');
  return null;
end
$$;

comment on function ops.rollbackd_ring() is 'rollbackd: the doorbell, see sql/triggers/README.md';

-- Puts the number of the row's own transaction into its xid. Which rows need it, those whose xid was
-- left null, forged, replicated or restored, is the trigger's WHEN clause, so an ordinary row never
-- comes here. The one thing that could fail is a column that was renamed since: then the row stays
-- as it is, and the daemon's audit finds it. That is what the block is for.
create or replace function ops.rollbackd_stamp() returns trigger
language plpgsql
as $$
begin
  new.xid := pg_catalog.pg_current_xact_id();
  return new;
exception when others then
  return new;
end
$$;

comment on function ops.rollbackd_stamp() is
  'rollbackd: makes xid the number of the transaction, see sql/triggers/README.md';

-- The same for a table that had an xid column of its own.
create or replace function ops.rollbackd_stamp_beside() returns trigger
language plpgsql
as $$
begin
  new.rollbackd_xid := pg_catalog.pg_current_xact_id();
  return new;
exception when others then
  return new;
end
$$;

comment on function ops.rollbackd_stamp_beside() is
  'rollbackd: makes rollbackd_xid the number of the transaction, see sql/triggers/README.md';

create or replace function ops.rollbackd_new_version() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.version := nextval('ops.watched_logs_version_seq');
  return new;
end
$$;

comment on function ops.rollbackd_new_version() is
  'rollbackd: gives a changed row of ops.watched_logs a number that was never used';

-- Runs as its owner, because whoever updates a deployment need not be allowed to read rollbacks.
create or replace function ops.rollbackd_before_deployment() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  new.xid := pg_current_xact_id();

  if tg_op = 'INSERT' then
    if new.status in ('success', 'failed') and new.completed_at is null then
      new.completed_at := new.deployed_at;
    end if;
    return new;
  end if;

  if new.status is not distinct from old.status then
    return new;
  end if;

  -- A pipeline that says success or failed late must not undo a rollback. The step of a rollback
  -- itself is known by the setting, not by the role: the daemon also writes what people ask it to.
  if current_setting('rollbackd.rollback_step', true) is distinct from 'on'
     and (old.status = 'rolled_back'
          or exists (select from ops.rollback_events e
                     where e.deployment_id = old.deployment_id and e.status = 'in_progress'
                       and e.metadata ->> 'written_by' = 'rollbackd')) then
    new.status := old.status;
    return new;
  end if;

  if old.status = 'pending' and new.deployed_at is not distinct from old.deployed_at then
    new.deployed_at := now();
  end if;

  -- A status that is put back after a rollback that did not happen completed when it did.
  if new.status in ('success', 'failed') and new.completed_at is not distinct from old.completed_at
     and (old.status <> 'rolled_back' or old.completed_at is null) then
    new.completed_at := now();
  end if;
  return new;
end
$$;

comment on function ops.rollbackd_before_deployment() is
  'rollbackd: stamps xid, deployed_at and completed_at, and protects the status during a rollback';
