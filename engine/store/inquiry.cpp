#include "engine/store/inquiry.hpp"

#include <memory>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/database/connection.hpp"
#include "engine/database/statement.hpp"
#include "engine/foreign_json.hpp"
#include "engine/store/sample_errors.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

// People's questions may read much, but not for ever.
constexpr const char* patience = "set local statement_timeout = '30s'";

// $1 is the event_id. The story of a rollback begins with its decision; the journal has no index
// over its metadata, so that the time narrows it down.
std::string rollback_sql(pqxx::transaction_base& work) {
  return "select (to_jsonb(r) || jsonb_build_object("
         " 'ended_by', r.metadata->>'ended_by',"
         " 'deployment', (select to_jsonb(d) - 'xid' from ops.deployments d"
         "   where d.deployment_id = r.deployment_id),"
         " 'replacement', (select to_jsonb(d) - 'xid' from ops.deployments d"
         "   where d.deployment_id::text = r.rollback_plan->>'replacement_id'),"
         " 'snapshots', (select coalesce(jsonb_agg(to_jsonb(s) - 'id' order by s.id), '[]')"
         "   from ops.system_snapshots s where s.deployment_id = r.deployment_id"
         "   or s.deployment_id::text = r.rollback_plan->>'replacement_id'),"
         " 'sample_errors', " +
         sample_errors_of(work, "r") +
         ", 'decisions', (select coalesce(jsonb_agg(to_jsonb(j) order by j.id), '[]')"
         "   from ops.roman_events j where j.timestamp >= r.initiated_at - interval '1 minute'"
         "   and j.metadata->>'event_id' = r.event_id::text),"
         " 'notifications', (select coalesce(jsonb_agg(to_jsonb(o) - 'payload' order by o.id),"
         "   '[]') from ops.outbox o where o.event_id = r.event_id)))::text"
         " from (select e.id, e.event_id, e.deployment_id, e.trigger_type, e.trigger_reason,"
         " e.initiated_by, e.initiated_at, e.status, e.rollback_plan,"
         " to_json(e.rollback_steps) as rollback_steps, e.constitutional_validation,"
         " e.completed_at, e.metadata, e.environment, e.service"
         " from ops.rollback_events e where e.event_id = $1::uuid) r";
}

// $1 is the deployment_id. Its time is from deployed_at to the next deployment's; the errors of it
// are those that name it, and those of its service that name nobody.
std::string deployment_sql(pqxx::transaction_base& work) {
  return "with d as (select d.*, (select min(n.deployed_at) from ops.deployments n"
         "   where n.environment = d.environment and n.service = d.service"
         "   and (n.deployed_at, n.id) > (d.deployed_at, d.id) and n.status <> 'pending')"
         "   as replaced_at from ops.deployments d where d.deployment_id = $1::uuid),"
         " e as (select q.at from d, (" +
         events_query(work) +
         ") q where q.at >= d.deployed_at and q.at < coalesce(d.replaced_at, now())"
         "   and (q.deployment_id = d.deployment_id or q.deployment_id is null"
         "        and q.environment = d.environment and q.service = d.service)),"
         " w as (select e.at,"
         "   count(*) over (order by e.at range between interval '60 seconds' preceding"
         "                  and current row) as minute,"
         "   count(*) over (order by e.at range between interval '5 minutes' preceding"
         "                  and current row) as five_minutes from e),"
         " p as (select d.deployed_at - interval '1 minute' as since,"
         "   coalesce(d.replaced_at, now()) + interval '1 minute' as until from d)"
         " select (to_jsonb(d) - 'xid' || jsonb_build_object("
         " 'is_current', d.deployment_id is not distinct from"
         "   ops.deployment_at(d.environment, d.service, now()),"
         " 'errors', (select jsonb_build_object('count', count(*), 'worst_minute', max(w.minute),"
         "   'worst_minute_at', (array_agg(w.at order by w.minute desc, w.at))[1],"
         "   'worst_5_minutes', max(w.five_minutes)) from w),"
         " 'decisions', (select coalesce(jsonb_agg(to_jsonb(j) order by j.id), '[]')"
         "   from ops.roman_events j where j.metadata->>'deployment_id' = d.deployment_id::text),"
         " 'around', (select coalesce(jsonb_agg(to_jsonb(j) order by j.id), '[]')"
         "   from ops.roman_events j, p where j.timestamp between p.since and p.until"
         "   and (j.event_type in ('leadership', 'pause', 'resume')"
         "        or j.event_type in ('breaker_opened', 'breaker_closed')"
         "           and j.metadata->>'environment' = d.environment)),"
         " 'rollbacks', (select coalesce(jsonb_agg(jsonb_build_object('event_id', r.event_id,"
         "   'status', r.status, 'trigger_type', r.trigger_type,"
         "   'trigger_reason', r.trigger_reason, 'initiated_at', r.initiated_at,"
         "   'ended_by', r.metadata->>'ended_by') order by r.id), '[]')"
         "   from ops.rollback_events r where r.deployment_id = d.deployment_id),"
         " 'pause', (select to_jsonb(c) from ops.control c),"
         " 'breakers', (select coalesce(jsonb_agg(to_jsonb(b) order by b.id), '[]')"
         "   from ops.breakers b where b.environment = d.environment and b.closed_at is null),"
         " 'leader', (select to_jsonb(l) from ops.leader l)))::text from d";
}

constexpr const char* known_sql =
    "select coalesce(jsonb_agg(k), '[]')::text from ("
    "(select d.deployment_id, d.version, d.environment, d.service, d.status from ops.deployments d"
    "  order by d.id desc limit 200)) k";

constexpr const char* known_events_sql =
    "select coalesce(jsonb_agg(k), '[]')::text from ("
    "(select e.event_id, e.environment, e.service, e.status, e.trigger_reason"
    "  from ops.rollback_events e order by e.id desc limit 200)) k";

std::vector<std::string> ids(const pqxx::result& rows) {
  std::vector<std::string> found;
  for (const pqxx::row& row : rows) {
    found.emplace_back(row[0].c_str());
  }
  return found;
}

// A hold has no row of its own in ops.rollback_events; its message names the rollback it might have
// been.
std::vector<std::string> deployments_named(pqxx::transaction_base& work, const std::string& name) {
  auto found =
      ids(work.exec_params("select d.deployment_id from ops.deployments d where d.version = $1"
                           " or length($1) >= 4 and starts_with(d.deployment_id::text, lower($1))"
                           " order by d.id desc limit 5",
                           name));
  if (found.empty()) {
    found = ids(work.exec_params(
        "select distinct o.payload->>'deployment_id' from ops.outbox o"
        " join ops.deployments d on d.deployment_id::text = o.payload->>'deployment_id'"
        " where length($1) >= 4 and starts_with(o.event_id::text, lower($1)) limit 5",
        name));
  }
  return found;
}

json story(pqxx::transaction_base& work, const std::string& sql, const std::string& id) {
  const pqxx::result rows = work.exec_params(sql, id);
  return rows.empty() ? json{} : foreign_json(rows[0][0].c_str());
}

std::string answer(Connection& connection, const std::string& name) {
  const Transaction begun = begin(connection);
  pqxx::transaction_base& work = *begun;
  work.exec(patience);
  json found{
      {"rollbacks", json::array()}, {"deployments", json::array()}, {"known", json::array()}};
  const auto events = ids(work.exec_params(
      "select e.event_id from ops.rollback_events e"
      " where length($1) >= 4 and starts_with(e.event_id::text, lower($1)) limit 2",
      name));
  if (events.size() == 1) {
    found["rollbacks"].push_back(story(work, rollback_sql(work), events[0]));
    return found.dump();
  }
  if (events.empty()) {
    const std::string sql = deployment_sql(work);
    for (const std::string& deployment : deployments_named(work, name)) {
      found["deployments"].push_back(story(work, sql, deployment));
    }
  }
  if (found["deployments"].empty()) {
    found["known"] = foreign_json(work.exec(known_sql)[0][0].c_str());
    for (const json& event : foreign_json(work.exec(known_events_sql)[0][0].c_str())) {
      found["known"].push_back(event);
    }
  }
  return found.dump();
}

// One that takes writes knows the latest; where there is none, a standby has to do.
std::unique_ptr<Connection> connect_anywhere(const std::string& conninfo) {
  try {
    return open_connection(conninfo);
  } catch (const pqxx::broken_connection&) {
    return open_connection(conninfo + " target_session_attrs=any");
  }
}

}  // namespace

Result<std::string> inquire(const ConnectionInfo& info, const std::string& name) {
  const auto conninfo = session_conninfo(info, "explain");
  if (!conninfo) {
    return conninfo.error();
  }
  try {
    const auto connection = connect_anywhere(*conninfo);
    if (!connection->is_pooled()) {
      set_for_session(*connection);
    }
    return answer(*connection, name);
  } catch (const pqxx::failure& e) {
    const bool is_connected = dynamic_cast<const pqxx::broken_connection*>(&e) == nullptr;
    return Error{(is_connected ? "the database does not tell: "
                               : "there is no connection to the database: ") +
                     one_line(e.what()),
                 "`rollbackd doctor` says what is wrong and what to do about it"};
  }
}

}  // namespace rollbackd::engine
