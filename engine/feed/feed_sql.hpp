#pragma once

#include <string>

#include "rules/time.hpp"

namespace rollbackd::engine {

// What the planner's statistics know of a severity column and nobody has named: 'ERROR' where
// 'error' is watched, or 'fatal'. Rows of other severities are never read. To be selected: w.log
// and v.value.
inline constexpr const char* unwatched_severities =
    " from ops.watched_logs w join pg_class c on c.oid = w.log::oid"
    " join pg_namespace n on n.oid = c.relnamespace"
    " join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname"
    "  and s.attname = w.severity_column,"
    " unnest(s.most_common_vals::text::text[]) as v (value)"
    " where w.watched and v.value <> all (w.severities) and lower(v.value) not in"
    " ('trace', 'debug', 'log', 'info', 'notice', 'warn', 'warning')";

// The feed's statements. Each sees one snapshot, so its rows belong together. All give rows of
// one shape, seventeen columns of text:
//   's' | snapshot | | | at_us | version of the watched logs                      exactly one
//   'e' | deployment_id or null | environment | service | first_us | seconds     events
//   'r' | as 'e' | environment and service of whose windows they are             recounted
//   'c' | without a time | early | far ahead | of unknown deployments | nobody's | earliest of
//         those far ahead, in us                                                 rows told apart
//   'd' | deployment_id | environment | service | deployed_us | row id | version | git_commit |
//         status | completed_us | rollback_from | health_check_passed | seen | announced |
//         rollback_dispatched | utilisation_at_arrival | previous_unhealthy      a deployment
//   'n'                                                                          some of those
//   changed 'a' | as 'e', instead of seconds: seen | odd | foreign                       audited
//   'f' | log | rows                                                             with a foreign xid
//   'u' | log | severity                                                         not watched
// Times are microseconds since 1970, `seconds` is "1765800000:3 1765800001:1": how many events in
// which second. A group of events has one attribution: no deployment of anybody began or ended in
// between. Events of deployments that have no row, and of services that have none, are nobody's and
// only counted: whoever writes a million deployment_ids at random makes no million groups.
struct FeedSql {
  // What is visible now and was not in snapshot $1. $2: the moments at which deployments began or
  // ended, ascending. Of deployments only whether there are any: a plan with all that is asked of
  // them takes longer to start than the rest takes to run, and they change seldom.
  std::string poll;
  std::string poll_with_deployments;
  // Everything. $1: how many deployments, newest first.
  std::string rebuild;
  // All events of the services $2 (environments) and $3 (names, pairwise) that snapshot $1 saw.
  std::string recount;
  // All events that snapshot $1 saw, in [$2, $3).
  std::string audit;
};

// `events`: what ops.rollbackd_events_query() says. `longest`: of the windows; older rows are of no
// use.
FeedSql feed_sql(const std::string& events, rules::Second longest);

}  // namespace rollbackd::engine
