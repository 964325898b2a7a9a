#include "engine/store/sample_errors.hpp"

namespace rollbackd::engine {

std::string events_query(pqxx::transaction_base& work) {
  return work.exec("select ops.rollbackd_events_query()")[0][0].c_str();
}

std::string sample_errors_of(pqxx::transaction_base& work, const std::string& r) {
  return "(select coalesce(jsonb_agg(x.sample order by x.at desc), '[]') from ("
         " select l.at, jsonb_build_object('timestamp', l.at, 'severity', l.severity,"
         " 'source', l.source, 'message', left(l.message, 300)) as sample"
         " from (" +
         events_query(work) + ") l where l.environment = " + r +
         ".environment and l.service = " + r + ".service and l.at between " + r +
         ".initiated_at - interval '5 minutes' and " + r +
         ".initiated_at order by l.at desc limit 5) x)";
}

}  // namespace rollbackd::engine
