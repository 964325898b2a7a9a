#include "engine/store/records.hpp"

#include <stdexcept>
#include <string>
#include <utility>

#include "engine/database/statement.hpp"
#include "engine/store/alerts.hpp"
#include "engine/store/sample_errors.hpp"

namespace rollbackd::engine {
namespace {

// A question that takes longer is given up; who asked is told so.
constexpr rules::Duration question_max = rules::seconds{10};

constexpr int status_ok = 200;
constexpr int status_created = 201;

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

constexpr const char* keep_sql =
    "insert into ops.request_keys as k (token, key, fingerprint, status, answer)"
    " values ($1, $2, $3, $4, $5) on conflict (token, key) do update set"
    " fingerprint = excluded.fingerprint, kept_at = now(), status = excluded.status,"
    " answer = excluded.answer";

// Beside what was done, in its transaction. Who gives no key asks for nothing. Throws when the
// request has been carried out since it was recalled: by a daemon that leads meanwhile, or in a
// transaction that was thought to be lost.
void keep(pqxx::transaction_base& work, const rules::Sender& sender, int status,
          const std::string& answer) {
  if (sender.key.empty()) {
    return;
  }
  const pqxx::result kept = work.exec_params(
      std::string{keep_sql} + " where k.kept_at <= now() - make_interval(hours => $6)",
      sender.token, sender.key, sender.fingerprint, status, answer,
      static_cast<int>(request_keys_kept.count()));
  if (kept.affected_rows() == 0) {
    throw std::runtime_error{
        "the request with this Idempotency-Key has been carried out meanwhile, and not once more; "
        "ask again for its answer"};
  }
}

// Gives its deployment_id. A person whom auth.users does not know, where there is that table, is in
// the metadata only.
std::string insert_deployment(pqxx::transaction_base& work, const NewDeployment& deployment) {
  const auto insert = [&](const std::string& deployed_by) {
    return std::string{
        work.exec_params(
                "insert into ops.deployments (environment, service, version, git_commit,"
                " git_branch, status, health_check_passed, deployed_by, metadata)"
                " values ($1, $2, $3, $4, $5, $6, false, nullif($8, '')::uuid,"
                " jsonb_strip_nulls(jsonb_build_object('recorded_by', $7::text, 'initiated_by',"
                " nullif($9, '')))) returning deployment_id",
                deployment.environment, deployment.service, deployment.version,
                deployment.git_commit, deployment.git_branch,
                std::string{rules::name_of(deployment.status)}, deployment.recorded_by, deployed_by,
                deployment.initiated_by)[0][0]
            .c_str()};
  };
  if (deployment.initiated_by.empty()) {
    return insert("");
  }
  work.exec("savepoint person");
  try {
    return insert(deployment.initiated_by);
  } catch (const pqxx::foreign_key_violation&) {
    work.exec("rollback to savepoint person");
    return insert("");
  }
}

std::string condition(pqxx::transaction_base& work, const char* column, const std::string& value) {
  return value.empty() ? "" : std::string{" and "} + column + " = " + work.quote(value);
}

}  // namespace

Records::Records(asio::io_context& reactor, const ConnectionInfo& info, Log& log, Meter& meter)
    : reactor_{reactor}, log_{log}, meter_{meter}, session_{info, {"api", question_max}, log} {}

template <class OnAnswer>
void Records::unread(const SessionFailure& failure, const OnAnswer& on_answer) {
  log_.warning("question_failed", {{"why", failure.what}, {"sqlstate", failure.sqlstate}});
  asio::post(reactor_, [on_answer, failure] {
    on_answer(Error{failure.what, "/readyz says what is wrong with the database"});
  });
}

void Records::run(std::function<std::optional<std::string>(Connection&)> ask, OnText on_text) {
  const auto answer = std::make_shared<OnText>(std::move(on_text));
  session_.run(
      [this, ask = std::move(ask), answer](Connection& connection) {
        auto text = ask(connection);
        asio::post(reactor_, [answer, text = std::move(text)] { (*answer)(text); });
      },
      [this, answer](const SessionFailure& failure) { unread(failure, *answer); });
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
            " 'sample_errors', " +
            sample_errors_of(*begun, "r") + "))::text from (" + std::string{events_columns} +
            " where e.event_id = " + begun->quote(event.text()) +
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
        const std::string id = insert_deployment(work, deployment);
        std::string row =
            work.exec("select to_json(r)::text from (" + std::string{deployments_columns} +
                      " where d.deployment_id = " + work.quote(id) + ") r")[0][0]
                .c_str();
        keep(work, deployment.sender, status_created, row);
        work.commit();
        return row;
      },
      std::move(on_text));
}

// The row's own trigger keeps the status of what is, or has been, rolled back: then the row is as
// it was, and the answer names the rollback. What was refused meanwhile, or since, keeps nothing.
void Records::change_status(const StatusChange& change, OnText on_text) {
  run(
      [change](Connection& connection) -> std::optional<std::string> {
        const Transaction begun = begin(connection);
        pqxx::transaction_base& work = *begun;
        const std::string id = work.quote(change.deployment.text());
        const std::string status = work.quote(std::string{rules::name_of(change.status)});
        work.exec("update ops.deployments set status = " + status + " where deployment_id = " + id);
        work.exec_params(
            "update ops.deployments set metadata = coalesce(metadata, '{}') ||"
            " jsonb_strip_nulls(jsonb_build_object('changed_by', $1::text, 'changed_to', status,"
            " 'changed_for', nullif($2, '')))"
            " where deployment_id = " +
                id + " and status = " + status,
            change.sender.token, change.initiated_by);
        const pqxx::result rows = work.exec(
            "select (to_jsonb(r) || jsonb_build_object('event_id',"
            " (select e.event_id from ops.rollback_events e"
            " where e.deployment_id = r.deployment_id"
            " and e.trigger_type <> 'constitutional_violation' order by e.id desc limit 1)))::text,"
            " r.status = " +
            status + " from (" + std::string{deployments_columns} +
            " where d.deployment_id = " + id + ") r");
        if (!rows.empty() && rows[0][1].as<bool>()) {
          keep(work, change.sender, status_ok, rows[0][0].c_str());
        }
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
        if (delivery.left_out > 0) {
          log_.warning(
              "alerts_left_out",
              {{"count", static_cast<std::int64_t>(delivery.left_out)},
               {"why", std::string{"no labels environment and service, or over max_alerts"}}});
        }
        taken.left_out += delivery.left_out;
        meter_.count(Count::alerts_in_firing, static_cast<double>(taken.firing));
        meter_.count(Count::alerts_in_resolved, static_cast<double>(taken.resolved));
        meter_.count(Count::alerts_in_left_out, static_cast<double>(taken.left_out));
        return json_of(taken);
      },
      std::move(on_text));
}

void Records::recall(const rules::Sender& sender, OnKept on_kept) {
  const auto answer = std::make_shared<OnKept>(std::move(on_kept));
  session_.run(
      [this, sender, answer](Connection& connection) {
        const Transaction begun = begin(connection);
        const pqxx::result rows = begun->exec_params(
            "select fingerprint, event_id, status, answer from ops.request_keys"
            " where token = $1 and key = $2 and kept_at > now() - make_interval(hours => $3)",
            sender.token, sender.key, static_cast<int>(request_keys_kept.count()));
        std::optional<KeptRequest> kept;
        if (!rows.empty()) {
          kept = KeptRequest{rows[0][0].c_str(),
                             rules::EventId::parse(rows[0][1].c_str()),
                             {},
                             rows[0][3].c_str()};
          if (!rows[0][2].is_null()) {
            kept->status = rows[0][2].as<int>();
          }
        }
        asio::post(reactor_, [answer, kept = std::move(kept)] { (*answer)(kept); });
      },
      [this, answer](const SessionFailure& failure) { unread(failure, *answer); });
}

void Records::keep_answer(const rules::Sender& sender, int status, const std::string& answer) {
  session_.run(
      [sender, status, answer](Connection& connection) {
        const Transaction begun = begin(connection);
        begun->exec_params(keep_sql, sender.token, sender.key, sender.fingerprint, status, answer);
        begun->exec_params(
            "delete from ops.request_keys where kept_at < now() - make_interval(hours => $1)"
            " or token = $2 and kept_at < (select kept_at from ops.request_keys where token = $2"
            " order by kept_at desc offset $3 limit 1)",
            static_cast<int>(request_keys_kept.count()), sender.token, request_keys_max);
        begun->commit();
      },
      [this](const SessionFailure& failure) {
        log_.warning("answer_not_kept", {{"why", failure.what}, {"sqlstate", failure.sqlstate}});
      });
}

}  // namespace rollbackd::engine
