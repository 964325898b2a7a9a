-- Whether a table can be watched with these columns.

-- The column's type, without domains. One that is not there is an error that names those that are.
create or replace function ops.rollbackd_column_type(p_table regclass, p_parameter text,
                                                     p_column text) returns pg_type
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_type pg_type;
begin
  select t.* into v_type
  from pg_attribute a join pg_type t on t.oid = a.atttypid
  where a.attrelid = p_table and a.attname = p_column and a.attnum > 0 and not a.attisdropped;
  if not found then
    raise undefined_column using
      message = format('%s has no column %s', p_table,
                       coalesce(quote_ident(p_column), '(none was given)')),
      hint = format('Give %s one of: %s', p_parameter,
        (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
         where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped));
  end if;
  while v_type.typtype = 'd' loop
    select t.* into v_type from pg_type t where t.oid = v_type.typbasetype;
  end loop;
  return v_type;
end
$$;

comment on function ops.rollbackd_column_type(regclass, text, text) is
  'rollbackd: the type of a column of a watched log';

-- Fails for what is no table of its own, or not the caller's.
create or replace function ops.rollbackd_check_table(p_table regclass) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_class pg_class;
  v_owner name;
begin
  select c.* into v_class from pg_class c where c.oid = p_table;
  if not found then
    raise undefined_table using
      message = format('there is no table %s', coalesce(p_table::text, '(null)')),
      hint = 'Give its name with its schema: ops.watch_error_log(''app.logs'')';
  end if;
  v_owner := pg_get_userbyid(v_class.relowner);
  if v_class.relispartition then
    raise wrong_object_type using
      message = format('%s is a partition of %s', p_table, pg_partition_root(p_table)),
      hint = format('Watch the whole, its partitions are watched with it: %L',
                    pg_partition_root(p_table));
  elsif v_class.relkind not in ('r', 'p') then
    raise wrong_object_type using
      message = format('%s is %s, not a table', p_table, case v_class.relkind
        when 'v' then 'a view' when 'm' then 'a materialized view' when 'f' then 'a foreign table'
        when 'S' then 'a sequence' when 'i' then 'an index' else 'something else' end),
      hint = 'Watch the table that the rows are inserted into';
  elsif v_class.relpersistence = 't' then
    raise wrong_object_type using
      message = format('%s is a temporary table', p_table),
      hint = 'Only its own session sees its rows; log into an ordinary table';
  elsif exists (select from pg_inherits i where i.inhparent = p_table) and v_class.relkind = 'r' then
    raise wrong_object_type using
      message = format('other tables inherit from %s, and triggers are not inherited', p_table),
      hint = 'Watch those tables one by one, or make it a partitioned table';
  elsif exists (select from ops.rollbackd_tree(p_table) t join pg_class c on c.oid = t.relation
                where c.relkind = 'f') then
    raise wrong_object_type using
      message = format('%s has a foreign table as a partition', p_table),
      hint = 'Rows of another server ring no bell here; detach it, or watch the log there';
  elsif v_class.relnamespace = 'ops'::regnamespace
        and v_class.relname in ('deployments', 'rollback_events', 'system_snapshots',
          'migration_history', 'roman_events', 'response_times', 'outbox', 'control',
          'alerts', 'request_keys', 'watched_logs', 'rollbackd_schema') then
    raise wrong_object_type using
      message = format('%s is a table of rollbackd itself, not an error log', p_table),
      hint = 'Watch the table that the applications write their errors into';
  elsif not pg_has_role(v_class.relowner, 'usage') then
    raise insufficient_privilege using
      message = format('%s belongs to %s, not to %s', p_table, v_owner, current_user),
      hint = format('Call this as %I, or let somebody do: grant %I to %I', v_owner, v_owner,
                    current_user);
  end if;
end
$$;

comment on function ops.rollbackd_check_table(regclass) is
  'rollbackd: fails for what cannot be watched';

-- The severities that count, as the column knows them, each once.
create or replace function ops.rollbackd_checked_severities(p_log ops.watched_logs) returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_type pg_type := ops.rollbackd_column_type(p_log.log, 'p_severity', p_log.severity_column);
  v_severities text[];
  v_labels text[];
  v_other text;
begin
  v_severities := array(select s.name from unnest(p_log.severities) with ordinality as s (name, place)
                        where s.name is not null group by s.name order by min(s.place));
  if cardinality(v_severities) = 0 then
    raise invalid_parameter_value using
      message = 'no severity is given that would count',
      hint = 'Give p_severities the values of errors, such as ''{error,critical}''';
  end if;
  if v_type.typcategory = 'N' then
    select s.name into v_other from unnest(v_severities) s (name) where s.name !~ '^-?\d{1,18}$';
    if found then
      raise invalid_parameter_value using
        message = format('the column %I of %s is %s, and the severity %L is no number',
          p_log.severity_column, p_log.log, format_type(v_type.oid, null), v_other),
        hint = 'Give p_severities the numbers of errors, such as ''{40,50}''';
    end if;
    return v_severities;
  end if;
  if v_type.typtype = 'e' then
    v_labels := array(select e.enumlabel from pg_enum e where e.enumtypid = v_type.oid
                      order by e.enumsortorder);
    if not v_severities && v_labels then
      raise invalid_parameter_value using
        message = format('none of the severities %s is a label of %s', v_severities,
                         format_type(v_type.oid, null)),
        hint = format('Give p_severities some of: %s', array_to_string(v_labels, ', '));
    end if;
    foreach v_other in array v_severities loop
      if v_other <> all (v_labels) then
        raise notice '%: % is no label of % and left out; there are: %', p_log.log, v_other,
          format_type(v_type.oid, null), array_to_string(v_labels, ', ');
      end if;
    end loop;
    v_severities := array(select s.name from unnest(v_severities) with ordinality as s (name, place)
                          where s.name = any (v_labels) order by s.place);
  else
    select array_agg(distinct v.name) into v_labels
    from ops.rollbackd_tree(p_log.log) t
    join pg_class c on c.oid = t.relation
    join pg_stats s on s.schemaname = c.relnamespace::regnamespace::name
                   and s.tablename = c.relname and s.attname = p_log.severity_column
    cross join unnest(s.most_common_vals::text::text[]) as v (name);
  end if;
  for v_other in
    select l.name from unnest(v_labels) as l (name)
    where l.name <> all (v_severities)
      and lower(l.name) in (select lower(s.name) from unnest(p_log.severities) as s (name))
  loop
    raise warning '%: the severity % differs from a given one only by case and does not count',
      p_log.log, v_other
      using hint = 'Name it in p_severities if it is to count';
  end loop;
  return v_severities;
end
$$;

comment on function ops.rollbackd_checked_severities(ops.watched_logs) is
  'rollbackd: the severities of a watched log';

-- What is to be watched, completed: the column of the xid and the severities. Fails, with the remedy,
-- for what cannot be.
create or replace function ops.rollbackd_checked_log(p_log ops.watched_logs)
returns ops.watched_logs
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_wanted record;
  v_type pg_type;
  v_is_there boolean;
  v_publications text;
begin
  perform ops.rollbackd_check_table(p_log.log);
  for v_wanted in
    select w.* from (values
      ('p_key', p_log.key_column, '{int2,int4,int8}', false,
       'the key of the rows has to be smallint, integer or bigint'),
      ('p_timestamp', p_log.timestamp_column, '{timestamptz,timestamp}', false,
       'the moment of the rows has to be timestamptz, or timestamp, which is taken as UTC'),
      ('p_severity', p_log.severity_column, '{text,varchar,bpchar,int2,int4,int8}', false,
       'the severity has to be text, varchar, an enum or an integer'),
      ('p_message', p_log.message_column, null, true, null),
      ('p_source', p_log.source_column, null, true, null),
      ('p_metadata', p_log.metadata_column, '{jsonb}', true,
       'only jsonb can be read without fear: json may hold a \u0000 that makes reading fail'),
      ('p_environment', p_log.environment_column, null, true, null),
      ('p_service', p_log.service_column, null, true, null),
      ('p_deployment_id', p_log.deployment_id_column, '{uuid}', true,
       'deployments are known by a uuid')
    ) as w (parameter, name, types, is_optional, rule)
    where not (w.is_optional and w.name is null)
  loop
    v_type := ops.rollbackd_column_type(p_log.log, v_wanted.parameter, v_wanted.name);
    if v_type.typname <> all (v_wanted.types::name[])
       and not (v_wanted.parameter = 'p_severity' and v_type.typtype = 'e') then
      raise datatype_mismatch using
        message = format('the column %I of %s is %s', v_wanted.name, p_log.log,
                         format_type(v_type.oid, null)),
        hint = format('For %s, %s', v_wanted.parameter, v_wanted.rule);
    end if;
  end loop;
  if coalesce(p_log.default_environment, '') = '' or coalesce(p_log.default_service, '') = '' then
    raise invalid_parameter_value using
      message = 'p_default_environment and p_default_service may not be empty',
      hint = 'They stand in for rows that name none';
  end if;
  p_log.severities := ops.rollbackd_checked_severities(p_log);

  select a.atttypid = 'xid8'::regtype into v_is_there
  from pg_attribute a
  where a.attrelid = p_log.log::oid and a.attname = 'xid' and not a.attisdropped;
  p_log.xid_column := case when v_is_there is false then 'rollbackd_xid' else 'xid' end;
  if v_is_there is false then
    select a.atttypid = 'xid8'::regtype into v_is_there
    from pg_attribute a
    where a.attrelid = p_log.log::oid and a.attname = 'rollbackd_xid' and not a.attisdropped;
  end if;
  if v_is_there is false then
    raise datatype_mismatch using
      message = format('the columns xid and rollbackd_xid of %s are both not xid8', p_log.log),
      hint = 'Rename one of them: the number of a row''s transaction has to be kept somewhere';
  end if;
  if v_is_there is null then
    -- A subscriber that lacks a published column stops.
    select string_agg(quote_ident(p.pubname), ', ') into v_publications
    from pg_publication p
    where p.pubinsert
      and (p.puballtables
           or exists (select from ops.rollbackd_tree(p_log.log) t
                      join pg_class c on c.oid = t.relation
                      left join pg_publication_rel r
                        on r.prpubid = p.oid and r.prrelid = c.oid and r.prattrs is null
                      left join pg_publication_namespace n
                        on n.pnpubid = p.oid and n.pnnspid = c.relnamespace
                      where r.oid is not null or n.oid is not null));
    if v_publications is not null then
      raise object_not_in_prerequisite_state using
        message = format('%s is published by %s, and subscribers that lack its new column %I would '
                         'stop', p_log.log, v_publications, p_log.xid_column),
        hint = format('On every subscriber, then here: alter table %s add column %I xid8; then '
                      'call this again', p_log.log, p_log.xid_column);
    end if;
  end if;
  return p_log;
end
$$;

comment on function ops.rollbackd_checked_log(ops.watched_logs) is
  'rollbackd: a log that is to be watched, checked and completed';
