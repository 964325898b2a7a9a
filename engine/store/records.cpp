#include "engine/store/records.hpp"

#include <utility>

#include "engine/database/statement.hpp"
#include "engine/store/alerts.hpp"

namespace rollbackd::engine {
namespace {

// A question that takes longer is given up; who asked is told so.
constexpr rules::Duration question_max = rules::seconds{10};

constexpr const char* events_columns =
    "select e.id, e.event_id, e.deployment_id, e.trigger_type, e.trigger_reason, e.initiated_by,"
    " e.initiated_at, e.status, e.rollback_plan, to_json(e.rollback_steps) as rollback_steps,"
    " e.constitutional_validation, e.completed_at, e.metadata, e.environment, e.service"
    " from ops.rollback_events e";

constexpr const char* deployments_columns =
    "select d.id, d.deployment_id, d.environment, d.service, d.version, d.git_commit,"
    " d.git_branch, d.deployed_by, d.deployed_at, d.status, d.rollback_from,"
    " d.health_check_passed, d.health_check_details, d.metadata, d.completed_at, d.rolled_back_at"
    " from ops.deployments d";

std::string list_of(const std::string& query) {
  return "select coalesce(json_agg(r), '[]')::text from (" + query + ") r";
}

std::string condition(pqxx::transaction_base& work, const char* column, const std::string& value) {
  return value.empty() ? "" : std::string{" and "} + column + " = " + work.quote(value);
}

}  // namespace

Records::Records(asio::io_context& reactor, const ConnectionInfo& info, Log& log, Meter& meter)
    : reactor_{reactor}, log_{log}, meter_{meter}, session_{info, {"api", question_max}, log} {}

void Records::run(std::function<std::optional<std::string>(Connection&)> ask, OnText on_text) {
  const auto answer = std::make_shared<OnText>(std::move(on_text));
  session_.run(
      [this, ask = std::move(ask), answer](Connection& connection) {
        auto text = ask(connection);
        asio::post(reactor_, [answer, text = std::move(text)] { (*answer)(text); });
      },
      [this, answer](const SessionFailure& failure) {
        log_.warning("question_failed", {{"why", failure.what}, {"sqlstate", failure.sqlstate}});
        asio::post(reactor_, [answer, failure] {
          (*answer)(Error{failure.what, "/readyz says what is wrong with the database"});
        });
      });
}

void Records::history(const HistoryQuery& query, OnText on_text) {
  run(
      [query](Connection& connection) -> std::optional<std::string> {
        const Transaction begun = begin(connection);
        pqxx::transaction_base& work = *begun;
        std::string where = " where true" + condition(work, "e.environment", query.environment) +
                            condition(work, "e.service", query.service) +
                            condition(work, "e.status", query.status) +
                            condition(work, "e.trigger_type", query.trigger_type);
        if (query.deployment) {
          where += condition(work, "e.deployment_id::text", query.deployment->text());
        }
        if (query.before) {
          where += " and e.id < " + std::to_string(*query.before);
        }
        return work
            .exec(list_of(events_columns + where + " order by e.id desc limit " +
                          std::to_string(query.limit)))[0][0]
            .c_str();
      },
      std::move(on_text));
}

void Records::event(const rules::EventId& event, OnText on_text) {
  run(
      [event](Connection& connection) -> std::optional<std::string> {
        const Transaction begun = begin(connection);
        const pqxx::result rows = begun->exec(
            "select (to_jsonb(r) || jsonb_build_object('deployment', to_jsonb(d) - 'xid',"
            " 'snapshots', (select coalesce(jsonb_agg(to_jsonb(s) - 'id' order by s.id), '[]')"
            " from ops.system_snapshots s where s.deployment_id = r.deployment_id),"
            " 'sample_errors', (select coalesce(jsonb_agg(x.sample), '[]') from ("
            " select jsonb_build_object('timestamp', l.timestamp, 'severity', l.severity,"
            " 'source', l.source, 'message', left(l.message, 300)) as sample"
            " from ops.system_logs l where l.severity in ('error', 'critical')"
            " and l.environment = r.environment and l.service = r.service"
            " and l.timestamp between r.initiated_at - interval '5 minutes' and r.initiated_at"
            " order by l.timestamp desc limit 5) x)))::text from (" +
            std::string{events_columns} + " where e.event_id = " + begun->quote(event.text()) +
            ") r left join ops.deployments d on d.deployment_id = r.deployment_id");
        return rows.empty() ? std::nullopt : std::optional<std::string>{rows[0][0].c_str()};
      },
      std::move(on_text));
}

void Records::deployments(const DeploymentsQuery& query, OnText on_text) {
  run(
      [query](Connection& connection) -> std::optional<std::string> {
        const Transaction begun = begin(connection);
        pqxx::transaction_base& work = *begun;
        std::string where = " where true" + condition(work, "d.environment", query.environment) +
                            condition(work, "d.service", query.service) +
                            condition(work, "d.status", query.status) +
                            condition(work, "d.version", query.version);
        if (query.only) {
          std::string ids;
          for (const rules::DeploymentId& id : *query.only) {
            ids += (ids.empty() ? "" : ", ") + work.quote(id.text()) + "::uuid";
          }
          where += " and d.deployment_id = any(array[" + ids + "]::uuid[])";
        }
        return work
            .exec(list_of(deployments_columns + where +
                          " order by d.deployed_at desc nulls first, d.id desc limit " +
                          std::to_string(query.limit)))[0][0]
            .c_str();
      },
      std::move(on_text));
}

void Records::record(const NewDeployment& deployment, OnText on_text) {
  run(
      [deployment](Connection& connection) -> std::optional<std::string> {
        const Transaction begun = begin(connection);
        pqxx::transaction_base& work = *begun;
        const std::string id =
            work.exec_params(
                    "insert into ops.deployments (environment, service, version, git_commit,"
                    " git_branch, status, health_check_passed, metadata)"
                    " values ($1, $2, $3, $4, $5, $6, false,"
                    " jsonb_build_object('recorded_by', $7::text)) returning deployment_id",
                    deployment.environment, deployment.service, deployment.version,
                    deployment.git_commit, deployment.git_branch,
                    std::string{rules::name_of(deployment.status)}, deployment.recorded_by)[0][0]
                .c_str();
        std::string row =
            work.exec("select to_json(r)::text from (" + std::string{deployments_columns} +
                      " where d.deployment_id = " + work.quote(id) + ") r")[0][0]
                .c_str();
        work.commit();
        return row;
      },
      std::move(on_text));
}

// The row's own trigger keeps the status of what is, or has been, rolled back: then the row is as
// it was, and the answer names the rollback.
void Records::change_status(const rules::DeploymentId& deployment, rules::DeploymentStatus status,
                            OnText on_text) {
  run(
      [deployment, status](Connection& connection) -> std::optional<std::string> {
        const Transaction begun = begin(connection);
        pqxx::transaction_base& work = *begun;
        const std::string id = work.quote(deployment.text());
        work.exec("update ops.deployments set status = " +
                  work.quote(std::string{rules::name_of(status)}) + " where deployment_id = " + id);
        const pqxx::result rows = work.exec(
            "select (to_jsonb(r) || jsonb_build_object('event_id',"
            " (select e.event_id from ops.rollback_events e"
            " where e.deployment_id = r.deployment_id order by e.id desc limit 1)))::text"
            " from (" +
            std::string{deployments_columns} + " where d.deployment_id = " + id + ") r");
        work.commit();
        return rows.empty() ? std::nullopt : std::optional<std::string>{rows[0][0].c_str()};
      },
      std::move(on_text));
}

void Records::take_alerts(AlertDelivery delivery, OnText on_text) {
  run(
      [this, delivery = std::move(delivery)](Connection& connection) -> std::optional<std::string> {
        TakenAlerts taken = write_alerts(connection, delivery.alerts);
        if (taken.left_out > 0) {
          log_.error("alerts_left_out", {{"count", static_cast<std::int64_t>(taken.left_out)},
                                         {"why", std::string{"ops.alerts is full"}}});
        }
        taken.left_out += delivery.left_out;
        meter_.count(Count::alerts_in_firing, static_cast<double>(taken.firing));
        meter_.count(Count::alerts_in_resolved, static_cast<double>(taken.resolved));
        meter_.count(Count::alerts_in_left_out, static_cast<double>(taken.left_out));
        return json_of(taken);
      },
      std::move(on_text));
}

}  // namespace rollbackd::engine
