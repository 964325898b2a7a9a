-- The indexes, one statement each, outside any transaction: nobody is blocked while they are built.
-- One that an interrupted build left invalid is dropped and built again by `rollbackd install`.
-- They are partial where they can be, so that rows that do not count cost nothing.

create index concurrently if not exists rollbackd_system_logs_xid
  on ops.system_logs (xid) where severity in ('error', 'critical');
create index concurrently if not exists rollbackd_system_logs_timestamp
  on ops.system_logs (timestamp) where severity in ('error', 'critical');
create index concurrently if not exists rollbackd_response_times_xid
  on ops.response_times (xid);
create index concurrently if not exists rollbackd_response_times_timestamp
  on ops.response_times (timestamp);
create index concurrently if not exists rollbackd_deployments_xid
  on ops.deployments (xid);
create index concurrently if not exists rollbackd_deployments_service
  on ops.deployments (environment, service, deployed_at, id);
create index concurrently if not exists rollbackd_rollback_events_deployment
  on ops.rollback_events (deployment_id);
create index concurrently if not exists rollbackd_rollback_events_initiated_at
  on ops.rollback_events (initiated_at);

-- At most one active rollback per service, whatever daemons there are. Only rows of the daemon
-- count: other people's block nothing.
create unique index concurrently if not exists rollbackd_rollback_events_active
  on ops.rollback_events (environment, service)
  where status in ('pending', 'in_progress') and metadata ->> 'written_by' = 'rollbackd';

-- What the daemon reads when it begins to lead, of many years of rows.
create index concurrently if not exists rollbackd_rollback_events_latch
  on ops.rollback_events (environment, service, id)
  where (status = 'failed' or status = 'aborted' and metadata ? 'aborted')
    and metadata ->> 'written_by' = 'rollbackd';
create index concurrently if not exists rollbackd_rollback_events_claimed
  on ops.rollback_events (environment, service, completed_at)
  where metadata ? 'claimed_at' and metadata ->> 'written_by' = 'rollbackd';
create index concurrently if not exists rollbackd_rollback_events_completed_at
  on ops.rollback_events (completed_at)
  where metadata ->> 'written_by' = 'rollbackd';
create index concurrently if not exists rollbackd_rollback_events_rejected
  on ops.rollback_events (environment, service, id)
  where trigger_type = 'constitutional_violation' and metadata ->> 'written_by' = 'rollbackd';
create index concurrently if not exists rollbackd_rollback_events_followed
  on ops.rollback_events (id)
  where metadata ? 'followed_until' and not metadata ? 'late_outcome';

create index concurrently if not exists rollbackd_roman_events_deployment
  on ops.roman_events ((metadata ->> 'deployment_id'));
create index concurrently if not exists rollbackd_roman_events_timestamp
  on ops.roman_events (timestamp);
create index concurrently if not exists rollbackd_roman_events_type
  on ops.roman_events (event_type, timestamp);
create index concurrently if not exists rollbackd_system_snapshots_deployment
  on ops.system_snapshots (deployment_id, snapshot_type);
