-- The two indexes of a watched log. No transaction and no function can build an index concurrently,
-- so they are handed out as statements.

-- An index of the relation over this key and these rows. One over all rows does, too, where
-- `p_or_all`: numbers of transactions are looked for at the end or one by one, but a stretch of time
-- would be read with everything that was merely noted in it.
create or replace function ops.rollbackd_index_of(p_relation regclass, p_key text, p_plain text,
                                                  p_or_all boolean,
                                                  out index regclass, out is_valid boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select i.indexrelid, i.indisvalid
  from pg_index i
  join pg_class c on c.oid = i.indexrelid
  join pg_am m on m.oid = c.relam and m.amname = 'btree'
  where i.indrelid = p_relation
    and ops.rollbackd_plain(pg_get_indexdef(i.indexrelid, 1, false)) = ops.rollbackd_plain(p_key)
    and (ops.rollbackd_plain(pg_get_expr(i.indpred, i.indrelid)) = p_plain
         or (p_or_all and i.indpred is null))
  order by i.indisvalid desc, i.indexrelid
  limit 1
$$;

comment on function ops.rollbackd_index_of(regclass, text, text, boolean) is
  'rollbackd: the index of a watched log over this key';

-- The two that a log wants: what their names end in, over what, and whether there is one that can be
-- used. As its owner, so that the daemon may ask.
create or replace function ops.rollbackd_wanted_indexes(p_log ops.watched_logs)
returns table (ending text, key text, or_all boolean, is_there boolean)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select w.ending, w.key, w.or_all,
         coalesce((ops.rollbackd_index_of(p_log.log, w.key, c.plain, w.or_all)).is_valid, false)
  from ops.rollbackd_counts(p_log) c
  cross join (values
    ('xid', quote_ident(p_log.xid_column), true),
    ('timestamp', (
      select case when a.atttypid = 'timestamp'::regtype
                  then format('(%I AT TIME ZONE ''UTC'')', p_log.timestamp_column)
                  else quote_ident(p_log.timestamp_column) end
      from pg_attribute a
      where a.attrelid = p_log.log::oid and a.attname = p_log.timestamp_column), false)
  ) as w (ending, key, or_all)
$$;

comment on function ops.rollbackd_wanted_indexes(ops.watched_logs) is
  'rollbackd: the indexes of a watched log, and whether they are there';

-- A name that is free in the schema, of at most 63 bytes.
create or replace function ops.rollbackd_free_name(p_schema regnamespace, p_middle text,
                                                   p_end text) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_middle text := p_middle;
  v_end text := p_end;
  v_count integer := 1;
begin
  loop
    while octet_length('rollbackd_' || v_middle || v_end) > 63 loop
      v_middle := left(v_middle, -1);
    end loop;
    exit when not exists (select from pg_class c where c.relnamespace = p_schema
                          and c.relname = 'rollbackd_' || v_middle || v_end);
    v_count := v_count + 1;
    v_end := p_end || '_' || v_count;
  end loop;
  return 'rollbackd_' || v_middle || v_end;
end
$$;

comment on function ops.rollbackd_free_name(regnamespace, text, text) is
  'rollbackd: a name for an index';

-- A statement that gives up rather than make everybody behind it wait for its lock.
create or replace function ops.rollbackd_shortly(p_statement text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select 'do $do$ begin set local lock_timeout = ''2s''; ' || p_statement || '; end $do$'
$$;

comment on function ops.rollbackd_shortly(text) is
  'rollbackd: a statement that does not wait for long';

-- The statements that give the log its indexes, in order; none where both are there. Each is to be
-- run by itself. CONCURRENTLY knows no partitioned tables, so there: an index on the parent alone,
-- which is quick and not valid yet, one on each partition, concurrently, and each is attached.
create or replace function ops.rollbackd_index_statements(p_log ops.watched_logs)
returns setof text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_counts record;
  v_wanted record;
  v_table record;
  v_index record;
  v_name text;
  v_names jsonb;
begin
  select * into v_counts from ops.rollbackd_counts(p_log);
  for v_wanted in
    select w.* from ops.rollbackd_wanted_indexes(p_log) w where not w.is_there
  loop
    v_names := '{}';
    for v_table in
      select t.*, c.relnamespace::regnamespace as schema, log.relname as log_name,
             case when t.level = 0 then '' else '_' || c.oid end as part
      from ops.rollbackd_tree(p_log.log) t
      join pg_class c on c.oid = t.relation
      join pg_class log on log.oid = p_log.log::oid
    loop
      select * into v_index
      from ops.rollbackd_index_of(v_table.relation, v_wanted.key, v_counts.plain,
                                  v_wanted.or_all);
      v_name := ops.rollbackd_free_name(v_table.schema, v_table.log_name,
                                        '_' || v_wanted.ending || v_table.part);
      -- Of a parent an index that is not valid only lacks some of its parts.
      if v_table.is_leaf and not v_index.is_valid then
        if exists (select from pg_stat_progress_create_index p
                   where p.index_relid = v_index.index) then
          raise notice '%: the index % is being built', v_table.relation, v_index.index;
          continue;
        end if;
        return next format('drop index concurrently %s', v_index.index);
        v_name := (select c.relname from pg_class c where c.oid = v_index.index);
        v_index.index := null;
      end if;
      if v_index.index is null then
        return next format(case when v_table.is_leaf
            then 'create index concurrently %I on %s (%s) where %s'
            else ops.rollbackd_shortly('create index %I on only %s (%s) where %s') end,
          v_name, v_table.relation, v_wanted.key, v_counts.condition);
        v_name := format('%s.%I', v_table.schema, v_name);
      else
        v_name := v_index.index;
      end if;
      v_names := v_names || jsonb_build_object(v_table.relation, v_name);
      if v_table.level > 0 and not exists (
           select from pg_inherits i
           where i.inhrelid = v_index.index
             and i.inhparent = to_regclass(v_names ->> v_table.parent::text)) then
        return next format(ops.rollbackd_shortly('alter index %s attach partition %s'),
                           v_names ->> v_table.parent::text, v_name);
      end if;
    end loop;
  end loop;

  -- Ours that are over other severities than are watched now only cost.
  return query
    select format('drop index concurrently %s', i.indexrelid::regclass)
    from pg_index i
    join pg_class c on c.oid = i.indexrelid and c.relkind = 'i' and c.relname like 'rollbackd\_%'
    join pg_class t on t.oid = i.indrelid and t.relkind = 'r'
    where i.indrelid = p_log.log::oid and i.indpred is not null and i.indnatts = 1
      and ops.rollbackd_plain(pg_get_expr(i.indpred, i.indrelid)) <> v_counts.plain;
end
$$;

comment on function ops.rollbackd_index_statements(ops.watched_logs) is
  'rollbackd: statements that give a watched log its indexes';
