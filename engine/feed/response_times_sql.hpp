#pragma once

#include <string>

#include "rules/time.hpp"

namespace rollbackd::engine {

// The two statements about response times. Each sees one snapshot, counts in the database, and
// gives rows of one shape, every column text:
//   's' | snapshot | at_us | taken | left_out | unattributed                        exactly one
//   'g' | deployment_id or null | environment | service | first_us | cells          a group
// Times are microseconds since 1970. The durations of a group are of one attribution: no deployment
// began or ended between any two of them. `cells` is a list of slice, bin and count with spaces
// between all three (rules/response_times.hpp), at most limits::duration_cells_max in all groups.
// `taken` counts every usable duration, those that were cut off and the unattributed included:
// these have a deployment_id that no row has, or a service without deployments. `left_out` is what
// is no duration, or has no usable time.
struct ResponseTimesSql {
  // What is new. $1 the last snapshot.
  std::string poll;
  // Everything in the windows.
  std::string recount;
};

// `events`: what ops.rollbackd_events_query() says. `longest`: of the windows.
ResponseTimesSql response_times_sql(const std::string& events, rules::Second longest);

}  // namespace rollbackd::engine
