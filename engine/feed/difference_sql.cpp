#include "engine/feed/difference_sql.hpp"

namespace rollbackd::engine {
namespace {

using std::string;

string replaced(string text, const string& what, const string& with) {
  for (auto at = text.find(what); at != string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

string microseconds(const string& moment) {
  return "(extract(epoch from " + moment + ") * 1000000)::bigint::text";
}

// How far back rows are of any use: the longest window and some.
constexpr const char* horizon = "interval '17 minutes'";

constexpr const char* snapshot_now =
    "with s as materialized (select pg_current_snapshot() as snap, clock_timestamp() as at) ";

string snapshot_row() {
  return "select 's', snap::text, null, null, " + microseconds("at") +
         ", null, null, null, null, null, null, null, null, null, null, null from s";
}

// Rows without a usable time never count; infinity has no second.
string counts(const string& row) {
  return row + ".severity in ('error', 'critical') and " + row + ".timestamp < 'infinity' and " +
         row + ".timestamp > now() - " + horizon;
}

// What is visible now and was not in $1: two index scans, never one OR (six times slower). A row
// whose xid this server has not given out yet came from elsewhere; pg_visible_in_snapshot keeps it
// from being fetched with every poll.
string fresh(const string& table, const string& columns, const string& condition) {
  const string from = "select " + columns + " from " + table + " x where " + condition;
  return from +
         " x.xid >= pg_snapshot_xmax($1::pg_snapshot)"
         " and pg_visible_in_snapshot(x.xid, (select snap from s))"
         " union all " +
         from + " x.xid = any (array(select pg_snapshot_xip($1::pg_snapshot)))";
}

string fresh_events() {
  return fresh("ops.system_logs", "x.deployment_id, x.environment, x.service, x.timestamp",
               counts("x") + " and");
}

// Attribution goes by the exact moment, counting by the second. Between two boundaries all rows of
// a second belong to the same deployment, so one of them stands for all.
string groups(const string& source, const string& boundaries, const string& kind = "e") {
  return "select '" + kind + "', e.deployment_id::text, e.environment, e.service, " +
         microseconds("min(e.timestamp)") +
         ", count(*)::text, null, null, null, null, null, null, null, null, null, null from " +
         source +
         " group by e.deployment_id, e.environment, e.service, date_trunc('second', e.timestamp),"
         " width_bucket(e.timestamp, " +
         boundaries + ")";
}

string deployments(const string& source) {
  static const string columns = replaced(
      "select 'd', d.deployment_id::text, d.environment, d.service, " +
          microseconds("d.deployed_at") + ", d.id::text, d.version, d.git_commit, d.status, " +
          microseconds("d.completed_at") +
          ", d.rollback_from::text, coalesce(d.health_check_passed, false)::text,"
          " exists (select SNAPSHOT and s.snapshot_type = 'post_deployment')::text,"
          " exists (select SNAPSHOT and s.snapshot_type = 'pre_deployment')::text,"
          " exists (select from ops.rollback_events r where r.deployment_id = d.deployment_id"
          "         and r.metadata->>'written_by' = 'rollbackd' and r.metadata ? "
          "'claimed_at')::text,"
          " (select case when jsonb_typeof(s.key_metrics->'connection_utilisation') = 'number'"
          "         then s.key_metrics->>'connection_utilisation' end"
          "  SNAPSHOT and s.snapshot_type = 'post_deployment' order by s.id limit 1) from ",
      "SNAPSHOT", "from ops.system_snapshots s where s.deployment_id = d.deployment_id");
  return columns + source;
}

string in_rebuilt(const string& row) {
  return replaced(
      "(case when ROW.deployment_id is null"
      "  then (ROW.environment, ROW.service) in (select * from unnest($3::text[], $4::text[]))"
      "  else ROW.deployment_id in (select r.deployment_id from ops.deployments r"
      "        where (r.environment, r.service) in (select * from unnest($3::text[], $4::text[])))"
      " end)",
      "ROW", row);
}

string boundaries_from_table() {
  return string{
             "array(select moment from (select deployed_at as moment from ops.deployments"
             " union select completed_at from ops.deployments where status = 'failed') b"
             " where moment < 'infinity' and moment > now() - "} +
         horizon + " order by moment)";
}

}  // namespace

DifferenceSql difference_sql() {
  const string all = " union all ";
  const string known = "$2::timestamptz[]";
  const string fresh_deployments = deployments("(" + fresh("ops.deployments", "x.*", "") + ") d");
  DifferenceSql sql;
  sql.poll = snapshot_now + snapshot_row() + all + groups("(" + fresh_events() + ") e", known) +
             all + fresh_deployments;
  sql.poll_and_rebuild =
      snapshot_now + snapshot_row() + all +
      groups("(select * from (" + fresh_events() + ") f where not " + in_rebuilt("f") + ") e",
             known) +
      all +
      groups("(select * from ops.system_logs t where " + counts("t") + " and " + in_rebuilt("t") +
                 ") e",
             boundaries_from_table(), "r") +
      all + fresh_deployments;
  const string counted_rows = "(select * from ops.system_logs t where " + counts("t") + ") e";
  sql.poll_and_audit =
      sql.poll + all + groups(counted_rows, boundaries_from_table(), "a") + all +
      "select 'f', null, null, null, null, count(*)::text,"
      " null, null, null, null, null, null, null, null, null, null from " +
      counted_rows +
      " where e.xid is null or not pg_visible_in_snapshot(e.xid, (select snap from s))";
  sql.rebuild = snapshot_now + snapshot_row() + all +
                groups(counted_rows, boundaries_from_table(), "r") + all +
                deployments(
                    "(select * from ops.deployments order by id desc"
                    " limit $1::bigint) d");
  return sql;
}

}  // namespace rollbackd::engine
