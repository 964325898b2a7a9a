#include "engine/store/journal_sql.hpp"

#include <map>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "engine/store/rollback_json.hpp"
#include "engine/time_text.hpp"

namespace rollbackd::engine {
namespace {

// Text that PostgreSQL takes: bytes that are no UTF-8 are replaced, for a record must not fail on
// what somebody's program printed.
std::string dumped(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string text_or_null(const std::optional<rules::Instant>& moment) {
  return moment ? instant_text(*moment) : std::string{};
}

void expect_one(const pqxx::result& result, const char* what) {
  if (result.affected_rows() != 1) {
    throw std::runtime_error{std::string{what} + " changed " +
                             std::to_string(result.affected_rows()) + " rows instead of one"};
  }
}

struct Writer {
  pqxx::transaction_base& work;

  void operator()(const rules::PutRollback& put) const {
    const rules::Rollback& r = put.rollback;
    const std::string steps = dumped(steps_json(r));
    const std::string metadata = dumped(metadata_json(r));
    const std::string status{rules::name_of(r.status)};
    if (put.is_new) {
      work.exec_prepared("insert_rollback", r.id.text(), r.deployment.text(),
                         std::string{rules::name_of(r.type)}, r.reason, instant_text(r.decided_at),
                         status, dumped(plan_json(r)), steps, dumped(validation_json(r.validation)),
                         text_or_null(r.completed_at), metadata, r.service.environment,
                         r.service.name);
    } else {
      expect_one(work.exec_prepared("update_rollback", r.id.text(), status, steps,
                                    text_or_null(r.completed_at), metadata),
                 "the rollback's row");
    }
  }

  void operator()(const rules::MarkRolledBack& mark) const {
    expect_one(
        work.exec_prepared("mark_rolled_back", mark.deployment.text(), instant_text(mark.at)),
        "mark_rolled_back");
    expect_one(work.exec_prepared("insert_replacement", mark.replacement.text(),
                                  mark.deployment.text(), mark.target.text()),
               "the replacement");
  }

  void operator()(const rules::RestoreDeployment& restore) const {
    expect_one(work.exec_prepared("restore_deployment", restore.deployment.text(),
                                  std::string{rules::name_of(restore.status)},
                                  std::string{restore.health_check_passed ? "true" : "false"}),
               "restoring the deployment");
    expect_one(work.exec_prepared("fail_replacement", restore.replacement.text()),
               "the replacement");
  }

  void operator()(const rules::PutInService& put) const {
    expect_one(
        work.exec_prepared("put_in_service", put.replacement.text(), instant_text(put.deployed_at)),
        "the replacement");
  }

  // Somebody may have changed the row meanwhile; then there is nothing to pass.
  void operator()(const rules::PassProbation& passed) const {
    work.exec_prepared("pass_probation", passed.deployment.text(), dumped(json_of(passed.details)));
  }

  void operator()(const rules::RomanEvent& event) const {
    nlohmann::json metadata = json_of(event.metadata);
    if (event.deployment) {
      metadata["deployment_id"] = event.deployment->text();
    }
    metadata["environment"] = event.service.environment;
    metadata["service"] = event.service.name;
    work.exec_prepared("insert_roman_event", event.event_type, event.severity, event.description,
                       dumped(metadata));
  }

  void operator()(const rules::Alert& alert) const {
    work.exec_prepared("insert_alert", std::string{rules::name_of(alert.kind)},
                       alert.rollback.id.text(), dumped(alert_json(alert)));
  }
};

}  // namespace

void prepare_journal(pqxx::connection& c) {
  pqxx::nontransaction{c}.exec("set plan_cache_mode = force_generic_plan");
  c.prepare(
      "insert_rollback",
      "insert into ops.rollback_events (event_id, deployment_id, trigger_type, trigger_reason,"
      " initiated_at, status, rollback_plan, rollback_steps, constitutional_validation,"
      " completed_at, metadata, environment, service)"
      " values ($1::uuid, $2::uuid, $3, $4, $5::timestamptz, $6, $7::jsonb,"
      " array(select s from jsonb_array_elements($8::jsonb) with ordinality as e(s, n)"
      "       order by n),"
      " $9::jsonb, nullif($10, '')::timestamptz, $11::jsonb, $12, $13)");
  c.prepare("update_rollback",
            "update ops.rollback_events set status = $2,"
            " rollback_steps = array(select s from jsonb_array_elements($3::jsonb)"
            "   with ordinality as e(s, n) order by n),"
            " completed_at = nullif($4, '')::timestamptz, metadata = $5::jsonb"
            " where event_id = $1::uuid and status in ('pending', 'in_progress')");
  c.prepare("mark_rolled_back",
            "update ops.deployments set status = 'rolled_back', health_check_passed = false,"
            " rolled_back_at = $2::timestamptz where deployment_id = $1::uuid");
  c.prepare("insert_replacement",
            "insert into ops.deployments (deployment_id, environment, service, version, git_commit,"
            " git_branch, status, rollback_from, metadata)"
            " select $1::uuid, bad.environment, bad.service, target.version, target.git_commit,"
            " target.git_branch, 'pending', bad.deployment_id,"
            " jsonb_build_object('written_by', 'rollbackd', 'target', target.deployment_id)"
            " from ops.deployments bad, ops.deployments target"
            " where bad.deployment_id = $2::uuid and target.deployment_id = $3::uuid");
  c.prepare("restore_deployment",
            "update ops.deployments set status = $2, health_check_passed = $3::boolean,"
            " rolled_back_at = null where deployment_id = $1::uuid");
  c.prepare("fail_replacement",
            "update ops.deployments set status = 'failed' where deployment_id = $1::uuid");
  c.prepare("put_in_service",
            "update ops.deployments set status = 'success', deployed_at = $2::timestamptz"
            " where deployment_id = $1::uuid");
  c.prepare("pass_probation",
            "update ops.deployments set health_check_passed = true,"
            " health_check_details = $2::jsonb || jsonb_build_object('checked_at', now()),"
            " status = case status when 'in_progress' then 'success' else status end"
            " where deployment_id = $1::uuid and status in ('in_progress', 'success')");
  c.prepare("insert_roman_event",
            "insert into ops.roman_events (event_type, severity, source, description, metadata)"
            " values ($1, $2, 'rollbackd', $3, $4::jsonb)");
  c.prepare("insert_alert",
            "insert into ops.outbox (kind, event_id, payload) values ($1, $2::uuid, $3::jsonb)");
}

void write_entry(pqxx::transaction_base& work, const rules::JournalEntry& entry) {
  std::visit(Writer{work}, entry);
}

std::vector<rules::Rollback> read_active(pqxx::transaction_base& work,
                                         std::vector<std::string>& problems) {
  std::vector<rules::Rollback> active;
  const pqxx::result rows = work.exec(
      "select event_id, deployment_id, environment, service, trigger_type, trigger_reason, status,"
      " (extract(epoch from initiated_at) * 1000000)::bigint, rollback_plan,"
      " to_json(rollback_steps), constitutional_validation, metadata"
      " from ops.rollback_events where metadata->>'written_by' = 'rollbackd'"
      " and status in ('pending', 'in_progress') order by id");
  for (const pqxx::row& row : rows) {
    rules::Rollback r;
    const auto id = rules::EventId::parse(row[0].c_str());
    const auto deployment = rules::DeploymentId::parse(row[1].c_str());
    const auto type = rules::trigger_type_named(row[4].c_str());
    const auto status = rules::rollback_status_named(row[6].c_str());
    if (!id || !deployment || !type || !status) {
      problems.push_back("rollback " + std::string{row[0].c_str()} + " has an unreadable column");
      continue;
    }
    r.id = *id;
    r.deployment = *deployment;
    r.service = {row[2].as<std::string>(""), row[3].as<std::string>("")};
    r.type = *type;
    r.reason = row[5].c_str();
    r.status = *status;
    r.decided_at = rules::Instant{rules::Duration{row[7].as<std::int64_t>()}};
    const Status read =
        read_rollback_json(row[8].c_str(), row[9].c_str(), row[10].c_str(), row[11].c_str(), r);
    if (read) {
      active.push_back(std::move(r));
    } else {
      problems.push_back(read.error().what + "; " + read.error().remedy);
    }
  }
  return active;
}

std::vector<rules::ServiceHistory> read_histories(pqxx::transaction_base& work) {
  std::map<rules::Service, rules::ServiceHistory> histories;
  const auto of = [&histories](const pqxx::row& row) -> rules::ServiceHistory& {
    const rules::Service service{row[0].as<std::string>(""), row[1].as<std::string>("")};
    rules::ServiceHistory& history = histories[service];
    history.service = service;
    return history;
  };
  for (const pqxx::row& row :
       work.exec("select distinct on (environment, service) environment, service, event_id,"
                 " deployment_id from ops.rollback_events"
                 " where metadata->>'written_by' = 'rollbackd' and status = 'failed'"
                 " and deployment_id is not null order by environment, service, id desc")) {
    const auto event = rules::EventId::parse(row[2].c_str());
    const auto deployment = rules::DeploymentId::parse(row[3].c_str());
    if (event && deployment) {
      of(row).latch = rules::Latch{*event, *deployment};
    }
  }
  for (const pqxx::row& row :
       work.exec("select environment, service,"
                 " (extract(epoch from max(completed_at)) * 1000000)::bigint"
                 " from ops.rollback_events where metadata->>'written_by' = 'rollbackd'"
                 " and trigger_type = 'automatic' and metadata ? 'claimed_at'"
                 " and completed_at is not null group by environment, service")) {
    of(row).automatic_ended_at = rules::Instant{rules::Duration{row[2].as<std::int64_t>()}};
  }
  for (const pqxx::row& row :
       work.exec("select distinct on (environment, service) environment, service, deployment_id,"
                 " metadata->'reasons' from ops.rollback_events"
                 " where metadata->>'written_by' = 'rollbackd'"
                 " and trigger_type = 'constitutional_violation' and deployment_id is not null"
                 " and metadata ? 'reasons' order by environment, service, id desc")) {
    rules::Rejection rejection;
    const auto deployment = rules::DeploymentId::parse(row[2].c_str());
    const auto names = nlohmann::json::parse(row[3].c_str(), nullptr, false);
    if (!deployment || !names.is_array()) {
      continue;
    }
    rejection.deployment = *deployment;
    for (const auto& name : names) {
      if (const auto reason =
              rules::reason_named(name.is_string() ? name.get<std::string>() : "")) {
        rejection.reasons.push_back(*reason);
      }
    }
    of(row).rejection = std::move(rejection);
  }
  std::vector<rules::ServiceHistory> all;
  all.reserve(histories.size());
  for (auto& [service, history] : histories) {
    all.push_back(std::move(history));
  }
  return all;
}

}  // namespace rollbackd::engine
