#include "engine/feed/feed_sql.hpp"

#include "engine/feed/sql_parts.hpp"
#include "rules/heartbeat.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

using std::string;

string replaced(string text, const string& what, const string& with) {
  for (auto at = text.find(what); at != string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// A row of the common shape: what is given, and nulls up to seventeen columns.
string columns(const string& given, int count) {
  constexpr int shape = 17;
  string text = "select " + given;
  for (int i = count; i < shape; ++i) {
    text += ", null";
  }
  return text;
}

string snapshot_row() {
  return columns("'s', snap::text, null, null, " + microseconds("at") +
                     ", (select coalesce(sum(version), 0)::text from ops.watched_logs)",
                 6) +
         " from s";
}

// Text for one configuration of windows and one set of logs.
struct Builder {
  string events;  // every row that counts, of all logs
  string horizon;
  string ahead;

  Builder(const string& query, rules::Second longest)
      : events{"(" + query + ")"},
        horizon{"(now() - interval '" + std::to_string(longest + rules::limits::late_max) + " s')"},
        ahead{"(now() + interval '" + std::to_string(rules::limits::calendar_max) + " s')"} {}

  // The rows' times are not asked for in the condition: with them the planner might prefer the
  // index of times to that of xids, and read a whole window with every poll.
  [[nodiscard]] string fresh() const {
    const string from =
        "select x.deployment_id, x.environment, x.service, x.at from " + events + " x where ";
    return "(" + from + is_later + " union all " + from + was_running + ")";
  }

  // Which second a row counts in; null: none ever; 0: it is too old; 1: too far ahead.
  // What does not depend on the row is a sub-select: so it is computed once.
  [[nodiscard]] string second() const {
    return "case when x.at is null or not isfinite(x.at) then null when x.at <= (select " +
           horizon + ") then 0 when x.at > (select " + ahead +
           ") then 1 else floor(date_part('epoch', x.at))::bigint end";
  }

  [[nodiscard]] string is_usable() const { return "x.at > " + horizon + " and x.at <= " + ahead; }

  [[nodiscard]] string earliest_far() const {
    return "(select " + microseconds("min(x.at)") + " from " + events + " x where x.at > " + ahead +
           " and x.at < 'infinity')";
  }

  [[nodiscard]] string boundaries() const { return boundaries_since(horizon); }
};

// $1 of a recount and of an audit is the snapshot that memory stands at. Rows with an xid that
// nobody has been given, or with none, are found by no difference, so they count whenever they
// came.
constexpr const char* is_foreign =
    "(x.xid is null or x.xid >= pg_snapshot_xmax((select snap from s)))";
constexpr const char* was_seen = "pg_visible_in_snapshot(x.xid, $1::pg_snapshot)";

// The deployment or the service has a row: somebody can own the events. A look-up for each group,
// never a join, which the planner might do by reading all deployments. Nobody owns heartbeats, and
// they go the way of those that somebody does.
const string& is_owned() {
  static const string sql =
      "case when n.deployment_id is not null"
      " then (select true from ops.deployments d where d.deployment_id = n.deployment_id limit 1)"
      " when n.environment = '" +
      string{rules::heartbeat_environment} + "' and n.service = '" + string{rules::heartbeat_name} +
      "' then true"
      " else (select true from ops.deployments d"
      "       where d.environment = n.environment and d.service = n.service limit 1) end";
  return sql;
}

constexpr const char* by_whose = "x.deployment_id, x.environment, x.service";

// Attribution goes by the exact moment, counting by the second. Between two boundaries all rows of
// a service belong to the same deployment, so the earliest stands for all.
string grouped(const string& rows, const string& second, const string& boundaries) {
  return ", n as (select " + string{by_whose} + ", " + second + " as sec, width_bucket(x.at, " +
         boundaries + ") as piece, min(x.at) as first, count(*) as n from " + rows +
         " group by 1, 2, 3, 4, 5), k as materialized (select n.*, case when n.sec > 1 then " +
         is_owned() + " end as owned from n) ";
}

string series(const string& kind, const string& more = "", int more_columns = 0) {
  return columns("'" + kind + "', k.deployment_id::text, k.environment, k.service, " +
                     microseconds("min(k.first)") +
                     ", string_agg(k.sec || ':' || k.n, ' ' order by k.sec)" + more,
                 6 + more_columns) +
         " from k where k.owned group by k.deployment_id, k.environment, k.service, k.piece";
}

// The environment or service of whose windows a recounted group is.
string owners(const string& column) {
  return ", coalesce((select d." + column +
         " from ops.deployments d where d.deployment_id = k.deployment_id limit 1), k." + column +
         ")";
}

string told_apart() {
  const auto sum = [](const string& condition) {
    return "coalesce(sum(n) filter (where " + condition + "), 0)::text";
  };
  return columns("'c', " + sum("sec is null") + ", " +
                     sum("sec = 1 or sec > extract(epoch from now()) + " +
                         std::to_string(rules::limits::ahead_max)) +
                     ", " + sum("sec = 1") + ", " +
                     sum("sec > 1 and owned is null and deployment_id is not null") + ", " +
                     sum("sec > 1 and owned is null and deployment_id is null") + ", " +
                     microseconds("min(first) filter (where sec = 1)"),
                 7) +
         " from k";
}

string deployments(const string& source) {
  static const string given = replaced(
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
          "  SNAPSHOT and s.snapshot_type = 'post_deployment' order by s.id limit 1),"
          " (select case when jsonb_typeof(s.key_metrics->'previous_unhealthy') = 'boolean'"
          "         then s.key_metrics->>'previous_unhealthy' end"
          "  SNAPSHOT and s.snapshot_type = 'post_deployment' order by s.id limit 1) from ",
      "SNAPSHOT", "from ops.system_snapshots s where s.deployment_id = d.deployment_id");
  return given + source;
}

string fresh_deployments(const string& what) {
  const string from = "select " + what + " from ops.deployments x where ";
  return "(" + from + is_later + " union all " + from + was_running + ") d";
}

constexpr const char* is_of_services =
    "(case when x.deployment_id is null"
    "  then (x.environment, x.service) in (select * from unnest($2::text[], $3::text[]))"
    "  else x.deployment_id in (select r.deployment_id from ops.deployments r"
    "        where (r.environment, r.service) in (select * from unnest($2::text[], $3::text[])))"
    " end)";

string audited(const Builder& of) {
  const string rows = "(select x.*, " + string{is_foreign} + " as foreign_xid, coalesce(" +
                      was_seen + ", false) as seen from " + of.events +
                      " x where x.at >= $2::timestamptz and x.at < $3::timestamptz) x";
  const string sum = "count(*) filter (where x.";
  return ", n as (select " + string{by_whose} + ", width_bucket(x.at, " + of.boundaries() +
         ") as piece, x.log, min(x.at) as first, " + sum + "seen) as seen, " + sum +
         "seen and not x.foreign_xid and x.row_xmin <> x.xid::xid) as odd, " + sum +
         "foreign_xid) as alien from " + rows +
         " group by 1, 2, 3, 4, 5), k as materialized (select n.*, " + is_owned() +
         " as owned from n) " + snapshot_row() + " union all " +
         columns("'a', k.deployment_id::text, k.environment, k.service, " +
                     microseconds("min(k.first)") +
                     ", sum(k.seen)::text, sum(k.odd)::text, sum(k.alien)::text",
                 8) +
         " from k where k.owned group by k.deployment_id, k.environment, k.service, k.piece"
         " union all " +
         columns("'f', k.log::regclass::text, sum(k.alien)::text", 3) +
         " from k where k.alien > 0 group by k.log union all " +
         columns("'u', w.log::text, v.value", 3) + unwatched_severities;
}

}  // namespace

FeedSql feed_sql(const string& events, rules::Second longest) {
  const Builder of{events, longest};
  const string all = " union all ";
  FeedSql sql;
  sql.poll = with_snapshot_now +
             grouped(of.fresh() + " x", of.second(), "(select $2::timestamptz[])") +
             snapshot_row() + all + series("e") + all + told_apart();
  sql.poll_with_deployments = sql.poll + all + deployments(fresh_deployments("x.*"));
  sql.poll += all + "(" + columns("'n'", 1) + " from " + fresh_deployments("") + " limit 1)";
  const string usable = of.events + " x where " + of.is_usable();
  const string plain_second = "floor(date_part('epoch', x.at))::bigint";
  sql.rebuild = with_snapshot_now + grouped(usable, plain_second, of.boundaries()) +
                snapshot_row() + all + series("e") + all +
                columns("'c', '0', '0', '0', '0', '0', " + of.earliest_far(), 7) + all +
                deployments("(select * from ops.deployments order by id desc limit $1::bigint) d");
  sql.recount =
      with_snapshot_now +
      grouped(usable + " and (" + is_foreign + " or " + was_seen + ") and " + is_of_services,
              plain_second, of.boundaries()) +
      snapshot_row() + all + series("r", owners("environment") + owners("service"), 2);
  sql.audit = with_snapshot_now + audited(of);
  return sql;
}

}  // namespace rollbackd::engine
