#include "engine/store/journal_sql.hpp"

#include <map>

#include <nlohmann/json.hpp>

#include "engine/rollback_json.hpp"
#include "engine/store/journal_statements.hpp"
#include "engine/time_text.hpp"
#include "rules/limits.hpp"

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

// Appends the calls that an entry is.
struct Writer {
  Connection& connection;
  std::string& sql;

  void add(JournalStatement statement, std::initializer_list<std::string> values) const {
    sql += call_of(connection, statement, values);
  }

  void operator()(const rules::PutRollback& put) const {
    const rules::Rollback& r = put.rollback;
    if (put.is_new) {
      add(JournalStatement::insert_rollback,
          {r.id.text(), r.deployment.text(), std::string{rules::name_of(r.type)}, r.reason,
           instant_text(r.decided_at), std::string{rules::name_of(r.status)}, dumped(plan_json(r)),
           dumped(steps_json(r)), dumped(validation_json(r.validation)),
           text_or_null(r.completed_at), dumped(metadata_json(r)), r.service.environment,
           r.service.name});
    } else {
      update(JournalStatement::update_rollback, r);
    }
    if (!r.initiated_by.empty()) {
      add(JournalStatement::set_initiator, {r.id.text(), r.initiated_by});
    }
  }

  void operator()(const rules::AmendRollback& amend) const {
    update(JournalStatement::amend_rollback, amend.rollback);
  }

  void update(JournalStatement statement, const rules::Rollback& r) const {
    add(statement, {r.id.text(), std::string{rules::name_of(r.status)}, dumped(steps_json(r)),
                    text_or_null(r.completed_at), dumped(metadata_json(r)), dumped(plan_json(r)),
                    dumped(validation_json(r.validation)), r.reason, instant_text(r.decided_at)});
  }

  void operator()(const rules::MarkRolledBack& mark) const {
    add(JournalStatement::begin_step, {});
    add(JournalStatement::mark_rolled_back,
        {mark.deployment.text(), std::string{rules::name_of(mark.from)}, instant_text(mark.at)});
    add(JournalStatement::insert_replacement,
        {mark.replacement.text(), mark.deployment.text(), mark.target.text()});
  }

  void operator()(const rules::RestoreDeployment& restore) const {
    add(JournalStatement::begin_step, {});
    add(JournalStatement::restore_deployment,
        {restore.deployment.text(), std::string{rules::name_of(restore.status)},
         restore.health_check_passed ? "true" : "false"});
    add(JournalStatement::fail_replacement, {restore.replacement.text()});
  }

  void operator()(const rules::PutInService& put) const {
    add(JournalStatement::begin_step, {});
    add(JournalStatement::put_in_service, {put.replacement.text(), instant_text(put.deployed_at)});
  }

  // Somebody may have changed the row meanwhile; then there is nothing to pass.
  void operator()(const rules::PassProbation& passed) const {
    add(JournalStatement::pass_probation,
        {passed.deployment.text(), dumped(json_of(passed.details))});
  }

  void operator()(const rules::RomanEvent& event) const {
    nlohmann::json metadata = json_of(event.metadata);
    if (event.deployment) {
      metadata["deployment_id"] = event.deployment->text();
    }
    metadata["environment"] = event.service.environment;
    metadata["service"] = event.service.name;
    add(JournalStatement::insert_roman_event,
        {event.event_type, event.severity, event.description, dumped(metadata)});
  }

  void operator()(const rules::Alert& alert) const {
    add(JournalStatement::insert_alert, {std::string{rules::name_of(alert.kind)},
                                         alert.rollback.id.text(), dumped(alert_json(alert))});
  }

  void operator()(const rules::SettleLate& settle) const {
    add(JournalStatement::begin_step, {});
    add(JournalStatement::settle_late,
        {settle.deployment.text(), settle.replacement.text(), instant_text(settle.deployed_at)});
  }

  void operator()(const rules::OpenBreaker& open) const {
    add(JournalStatement::open_breaker, {open.environment, open.reason, instant_text(open.at)});
  }

  // A person may have closed it with SQL meanwhile; then there is nothing to close.
  void operator()(const rules::CloseBreaker& close) const {
    add(JournalStatement::close_breaker,
        {close.environment, instant_text(close.said.at), close.said.by, close.said.reason});
  }

  void operator()(const rules::KeepRequest& kept) const {
    add(JournalStatement::keep_request,
        {kept.sender.token, kept.sender.key, kept.sender.fingerprint,
         kept.event ? kept.event->text() : ""});
  }

  void operator()(const rules::SetPause& set) const {
    add(JournalStatement::set_pause, {set.pause.on ? "true" : "false", set.pause.by,
                                      set.pause.reason, text_or_null(set.pause.since)});
  }
};

// Those of ours that meet the condition. Those that cannot be read are told in `problems`.
std::vector<rules::Rollback> read_rollbacks(pqxx::transaction_base& work,
                                            const std::string& condition,
                                            std::vector<std::string>& problems) {
  std::vector<rules::Rollback> rollbacks;
  const pqxx::result rows = work.exec(
      "select event_id, deployment_id, environment, service, trigger_type, trigger_reason, status,"
      " (extract(epoch from initiated_at) * 1000000)::bigint, rollback_plan,"
      " to_json(rollback_steps), constitutional_validation, metadata,"
      " (extract(epoch from completed_at) * 1000000)::bigint"
      " from ops.rollback_events where metadata->>'written_by' = 'rollbackd' and " +
      condition + " order by id");
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
    if (!row[12].is_null()) {
      r.completed_at = rules::Instant{rules::Duration{row[12].as<std::int64_t>()}};
    }
    const Status read =
        read_rollback_json(row[8].c_str(), row[9].c_str(), row[10].c_str(), row[11].c_str(), r);
    if (read) {
      rollbacks.push_back(std::move(r));
    } else {
      problems.push_back(read.error().what + "; " + read.error().remedy);
    }
  }
  return rollbacks;
}

}  // namespace

void write_entries(Connection& connection, std::int64_t epoch,
                   const std::vector<rules::JournalEntry>& entries) {
  std::string sql = call_of(connection, JournalStatement::check_epoch, {std::to_string(epoch)});
  for (const rules::JournalEntry& entry : entries) {
    std::visit(Writer{connection, sql}, entry);
  }
  pqxx::nontransaction{connection}.exec(sql);
}

std::vector<rules::Rollback> read_active(pqxx::transaction_base& work,
                                         std::vector<std::string>& problems) {
  return read_rollbacks(work, "status in ('pending', 'in_progress')", problems);
}

// Also those whose time has passed: that they are not followed any longer is still to be noted.
std::vector<rules::Rollback> read_followed(pqxx::transaction_base& work,
                                           std::vector<std::string>& problems) {
  return read_rollbacks(work,
                        "status in ('failed', 'aborted') and metadata ? 'followed_until'"
                        " and not metadata ? 'late_outcome'",
                        problems);
}

// What was claimed within the window either goes on or has ended since. What led to the opening of
// a breaker that a person has closed does not count any more.
std::vector<rules::Claim> read_claims(pqxx::transaction_base& work, rules::Instant now) {
  const rules::Instant since = now - rules::limits::cap_window;
  std::vector<rules::Claim> claims;
  for (const pqxx::row& row : work.exec_params(
           "select event_id, environment, metadata->>'claimed_at' from ops.rollback_events e"
           " where metadata->>'written_by' = 'rollbackd' and trigger_type = 'automatic'"
           " and metadata ? 'claimed_at'"
           " and (status = 'in_progress' or completed_at > $1::timestamptz)"
           " and not exists (select from ops.breakers b where b.environment = e.environment"
           " and b.closed_at >= (e.metadata->>'claimed_at')::timestamptz)",
           instant_text(since))) {
    const auto id = rules::EventId::parse(row[0].c_str());
    const auto at = parse_instant(row[2].c_str());
    if (id && at && *at > since) {
      claims.push_back({*id, row[1].as<std::string>(""), *at});
    }
  }
  return claims;
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
                 " where metadata->>'written_by' = 'rollbackd' and (status = 'failed' or"
                 " status = 'aborted' and metadata ? 'aborted')"
                 " and (status = 'failed' or trigger_type = 'automatic') and deployment_id is not "
                 "null order by environment, service, id desc")) {
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
    rejection.reasons = reasons_of(names);
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
