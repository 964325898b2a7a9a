#pragma once

#include <string>

namespace rollbackd::engine {

// The feed's three statements. Each sees one snapshot, so its rows belong together, and all give
// rows of one shape, every column text:
//   's' | snapshot | | | at_us                                                      exactly one
//   'e' | deployment_id or null | environment | service | at_us | n                 new events
//   'r' | as 'e'                                                                    counted anew
//   'd' | deployment_id | environment | service | deployed_us | row id | version | git_commit |
//         status | completed_us | rollback_from | health_check_passed | seen | announced |
//         rollback_dispatched | utilisation_at_arrival                              a deployment
//   'a' | as 'e'                                                                    the audit's
//   count 'f' | | | | | n                                                                 rows of
//   no known xid
// Times are microseconds since 1970. The events of a group are of one second and one attribution.
struct DifferenceSql {
  // $1 the last snapshot, $2 the moments at which deployments begin or end, ascending.
  std::string poll;
  // The same, with the services $3 (environments) and $4 (names, pairwise) counted anew and whole.
  std::string poll_and_rebuild;
  // The same as `poll`, with all rows of the windows counted once more.
  std::string poll_and_audit;
  // Everything, from nothing. $1 how many deployments, newest first.
  std::string rebuild;
};

DifferenceSql difference_sql();

}  // namespace rollbackd::engine
