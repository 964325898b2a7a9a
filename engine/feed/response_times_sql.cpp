#include "engine/feed/response_times_sql.hpp"

#include <charconv>
#include <system_error>

#include "engine/feed/sql_parts.hpp"
#include "rules/duration_bin.hpp"
#include "rules/invariant.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

using std::string;
using std::to_string;

constexpr const char* response_times = "select * from ops.response_times";

string shortest(double number) {
  char text[32];
  const auto [end, error] = std::to_chars(std::begin(text), std::end(text), number);
  INVARIANT(error == std::errc{});
  return {std::begin(text), end};
}

string duration_max() { return shortest(rules::limits::duration_ms_max); }

// A value of JSON as a duration, -1 if it is none. It can have any number of digits: it is compared
// as numeric, where that is no error, before it becomes a double.
string duration_in(const string& metadata) {
  const string value = metadata + "->'duration_ms'";
  return "case when jsonb_typeof(" + value + ") = 'number' then case when (" + value +
         ")::numeric between 0 and " + duration_max() + " then round((" + value +
         ")::numeric, 6)::float8 else -1 end else -1 end";
}

// width_bucket() counts the edges at or below; a bin holds its upper edge, so all is mirrored.
string bin_of(const string& duration) {
  string mirrored;
  const auto edges = rules::duration_bin_edges_ms();
  for (auto edge = edges.rbegin(); edge != edges.rend(); ++edge) {
    mirrored += (mirrored.empty() ? "" : ",") + shortest(-*edge);
  }
  return to_string(edges.size()) + " - width_bucket(-" + duration + ", '{" + mirrored +
         "}'::float8[])";
}

string seconds(rules::Second count) { return "interval '" + to_string(count) + " seconds'"; }

// Both sources, and of each the rows for which `condition` holds.
string rows(const string& events, const string& condition_on_times,
            const string& condition_on_events) {
  return "select x.timestamp as at, x.environment, x.service, x.deployment_id,"
         " x.duration_ms::float8 as ms from (" +
         string{response_times} + ") x where " + condition_on_times +
         " union all select x.at, x.environment, x.service, x.deployment_id, " +
         duration_in("x.metadata") + " from (" + events +
         ") x where x.metadata->'duration_ms' is not null and " + condition_on_events;
}

string fresh_rows(const string& events) {
  return rows(events, is_later, is_later) + " union all " + rows(events, was_running, was_running);
}

// Ids and services that no deployment has are told as one number: anybody may write a million.
string statement(const string& source, const string& horizon) {
  const string ahead = seconds(rules::limits::ahead_max);
  return string{with_snapshot_now} +
         ", judged as (select *, coalesce(ms >= 0 and ms <= " + duration_max() +
         " and at > '-infinity' and at <= now() + " + ahead + ", false) as usable from (" + source +
         ") f where (at > now() - " + horizon +
         " or at = '-infinity') is not false), "
         "cells as (select case when usable then deployment_id end as deployment_id,"
         " case when usable and deployment_id is null then environment end as environment,"
         " case when usable and deployment_id is null then service end as service,"
         " case when usable then date_bin(" +
         seconds(rules::duration_slice) +
         ", at, 'epoch') end as slice,"
         " case when usable then width_bucket(at, " +
         boundaries_since("now() - " + horizon) + ") end as part, case when usable then " +
         bin_of("ms") +
         " end as bin, min(at) as first, count(*) as n from judged"
         " group by 1, 2, 3, 4, 5, 6), "
         "known as (select c.*, case when bin is null then false"
         " when deployment_id is not null then exists (select from ops.deployments d"
         " where d.deployment_id = c.deployment_id)"
         " else exists (select from ops.deployments d"
         " where d.environment = c.environment and d.service = c.service) end as known"
         " from cells c) "
         "select 's', s.snap::text, " +
         microseconds("s.at") +
         ", t.taken::text, t.left_out::text, t.unattributed::text from s,"
         " (select coalesce(sum(n) filter (where bin is not null), 0) as taken,"
         " coalesce(sum(n) filter (where bin is null), 0) as left_out,"
         " coalesce(sum(n) filter (where bin is not null and not known), 0) as unattributed"
         " from known) t "
         "union all select 'g', k.deployment_id::text, k.environment, k.service, " +
         microseconds("min(k.first)") + ", string_agg((extract(epoch from k.slice)::bigint / " +
         to_string(rules::duration_slice) +
         ") || ' ' || k.bin || ' ' || k.n, ' ' order by k.slice, k.bin)"
         " from (select * from known where known limit " +
         to_string(rules::limits::duration_cells_max) +
         ") k group by k.deployment_id, k.environment, k.service, k.part";
}

}  // namespace

ResponseTimesSql response_times_sql(const string& events, rules::Second longest) {
  const string horizon = seconds(longest + rules::duration_slice);
  return {statement(fresh_rows(events), horizon),
          statement(rows(events, "x.timestamp > now() - " + horizon, "x.at > now() - " + horizon),
                    horizon)};
}

}  // namespace rollbackd::engine
