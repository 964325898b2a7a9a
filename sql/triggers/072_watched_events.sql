-- One SELECT over every watched log, for the daemon and for ops.get_deployment_health(). A view would
-- forbid people to alter or drop their own tables; a text does not.
--
--   log oid, event_id bigint, at timestamptz, environment text, service text, deployment_id uuid,
--   xid xid8, row_xmin xid, severity text, source text, message text, metadata jsonb
--
-- The severities are literals in a WHERE clause, so that the partial indexes match, and `at` and
-- `xid` are the bare columns (`at` of a timestamp without time zone: what the index is over), so that
-- a condition put around the text reaches the indexes of each log. A log whose columns were renamed
-- makes it fail: a gap is not to be taken for silence.
create or replace function ops.rollbackd_events_query() returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with column_of as (
    select w.log, a.attname, a.atttypid
    from ops.watched_logs w
    join pg_attribute a on a.attrelid = w.log::oid and a.attname = w.timestamp_column
  ),
  branch as (
    select w.log, format(
      'select %s::oid as log, t.%I::bigint as event_id, %s as at, '
      '%s as environment, %s as service, %s as deployment_id, '
      't.%I as xid, t.xmin as row_xmin, t.%I::text as severity, '
      '%s as source, %s as message, %s as metadata from %s t where t.%I in (%s)',
      w.log::oid, w.key_column,
      case
        when c.atttypid = 'timestamp'::regtype then
          format('(t.%I at time zone ''UTC'')', w.timestamp_column)
        else format('t.%I', w.timestamp_column)
      end,
      case when w.environment_column is null then quote_literal(w.default_environment) || '::text'
        else format('coalesce(nullif(t.%I::text, ''''), %L::text)', w.environment_column,
                    w.default_environment) end,
      case when w.service_column is null then quote_literal(w.default_service) || '::text'
        else format('coalesce(nullif(t.%I::text, ''''), %L::text)', w.service_column,
                    w.default_service) end,
      coalesce('t.' || quote_ident(w.deployment_id_column), 'null::uuid'),
      w.xid_column, w.severity_column,
      coalesce('t.' || quote_ident(w.source_column) || '::text', 'null::text'),
      coalesce('t.' || quote_ident(w.message_column) || '::text', 'null::text'),
      coalesce('t.' || quote_ident(w.metadata_column), 'null::jsonb'),
      w.log, w.severity_column,
      (select string_agg(quote_literal(s.name), ', ' order by s.place)
       from unnest(w.severities) with ordinality as s (name, place))) as text
    from ops.watched_logs w
    join pg_class r on r.oid = w.log::oid
    left join column_of c on c.log = w.log
    where w.watched
  )
  select coalesce(
    string_agg(b.text, E'\nunion all\n' order by b.log::oid),
    'select null::oid as log, null::bigint as event_id, null::timestamptz as at, '
    'null::text as environment, null::text as service, null::uuid as deployment_id, '
    'null::xid8 as xid, null::xid as row_xmin, null::text as severity, null::text as source, '
    'null::text as message, null::jsonb as metadata where false')
  from branch b
$$;

comment on function ops.rollbackd_events_query() is
  'rollbackd: the text of one SELECT over the events of all watched logs';
