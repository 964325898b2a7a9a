#include "engine/feed/sql_parts.hpp"

namespace rollbackd::engine {

using std::string;

// Whoever writes rows may write infinity and the year 294276.
string microseconds(const string& moment) {
  const string last = "timestamptz '9999-01-01 00:00+00'";
  const string first = "timestamptz '0001-01-01 00:00+00'";
  return "(extract(epoch from case when " + moment + " > " + last + " then " + last + " when " +
         moment + " < " + first + " then " + first + " else " + moment +
         " end) * 1000000)::bigint::text";
}

const char* const with_snapshot_now =
    "with s as materialized (select pg_current_snapshot() as snap, clock_timestamp() as at)";

// Of a range the planner expects few rows. pg_visible_in_snapshot keeps a row whose xid is that of
// somebody else's running transaction from being found twice.
const char* const is_later =
    "x.xid >= pg_snapshot_xmax($1::pg_snapshot) and x.xid < pg_snapshot_xmax((select snap from s))"
    " and pg_visible_in_snapshot(x.xid, (select snap from s))";
const char* const was_running =
    "x.xid >= pg_snapshot_xmin($1::pg_snapshot) and x.xid < pg_snapshot_xmax($1::pg_snapshot)"
    " and x.xid = any (array(select pg_snapshot_xip($1::pg_snapshot)))"
    " and pg_visible_in_snapshot(x.xid, (select snap from s))";

string boundaries_since(const string& horizon) {
  return "array(select moment from (select deployed_at as moment from ops.deployments"
         " union select completed_at from ops.deployments where status = 'failed') b"
         " where moment < 'infinity' and moment > " +
         horizon + " order by moment)";
}

}  // namespace rollbackd::engine
