#include "engine/feed/difference.hpp"

#include <algorithm>

#include "engine/feed/difference_sql.hpp"
#include "engine/time_text.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

constexpr rules::Duration horizon = rules::minutes{17};

struct Rows {
  std::string snapshot;
  rules::Instant at;
  std::vector<rules::EventGroup> events;
  rules::Audit audit;
  std::vector<rules::Deployment> deployments;
  std::uint64_t event_count = 0;  // of those that are new
  rules::Instant newest{};
  std::uint64_t skipped = 0;
};

rules::Instant instant(const pqxx::field& microseconds) {
  return rules::Instant{rules::Duration{microseconds.as<std::int64_t>()}};
}

std::optional<rules::Instant> optional_instant(const pqxx::field& microseconds) {
  return microseconds.is_null() ? std::nullopt : std::optional{instant(microseconds)};
}

std::optional<rules::DeploymentId> optional_id(const pqxx::field& field) {
  return field.is_null() ? std::nullopt : rules::DeploymentId::parse(field.c_str());
}

rules::EventGroup event_of(const pqxx::row& row) {
  rules::EventGroup group;
  group.deployment = optional_id(row[1]);
  group.service = {row[2].as<std::string>(""), row[3].as<std::string>("")};
  group.at = instant(row[4]);
  group.count = row[5].as<std::uint64_t>();
  return group;
}

// Nothing: the row has a status that we do not know.
std::optional<rules::Deployment> deployment_of(const pqxx::row& row) {
  const auto id = optional_id(row[1]);
  const auto status = rules::deployment_status_named(row[8].c_str());
  if (!id || !status) {
    return std::nullopt;
  }
  rules::Deployment d;
  d.id = *id;
  d.service = {row[2].as<std::string>(""), row[3].as<std::string>("")};
  d.deployed_at = optional_instant(row[4]);
  d.row = row[5].as<std::int64_t>();
  d.version = row[6].as<std::string>("");
  d.git_commit = row[7].as<std::string>("");
  d.status = *status;
  d.completed_at = optional_instant(row[9]);
  d.rollback_from = optional_id(row[10]);
  d.health_check_passed = row[11].as<bool>();
  d.seen = row[12].as<bool>();
  d.announced = row[13].as<bool>();
  d.rollback_dispatched = row[14].as<bool>();
  if (!row[15].is_null()) {
    d.utilisation_at_arrival = row[15].as<double>();
  }
  return d;
}

Rows read(const pqxx::result& result) {
  Rows rows;
  for (const pqxx::row& row : result) {
    switch (row[0].c_str()[0]) {
      case 's':
        rows.snapshot = row[1].c_str();
        rows.at = instant(row[4]);
        break;
      case 'e':
        rows.events.push_back(event_of(row));
        rows.event_count += rows.events.back().count;
        rows.newest = std::max(rows.newest, rows.events.back().at);
        break;
      case 'r':
        rows.events.push_back(event_of(row));
        break;
      case 'a':
        rows.audit.events.push_back(event_of(row));
        break;
      case 'f':
        rows.audit.foreign_rows = row[5].as<std::uint64_t>();
        break;
      default:
        if (auto deployment = deployment_of(row)) {
          rows.deployments.push_back(std::move(*deployment));
        } else {
          ++rows.skipped;
        }
    }
  }
  return rows;
}

// A text[] in PostgreSQL's own notation.
std::string text_array(const std::vector<rules::Service>& services,
                       std::string rules::Service::*part) {
  std::string array = "{";
  for (const rules::Service& service : services) {
    std::string quoted = "\"";
    for (const char c : service.*part) {
      if (c == '"' || c == '\\') {
        quoted += '\\';
      }
      quoted += c;
    }
    array += (array.size() > 1 ? "," : "") + quoted + "\"";
  }
  return array + "}";
}

}  // namespace

void Difference::prepare(pqxx::connection& connection) {
  forget();
  // The same plan every time: planning costs several times the execution.
  pqxx::nontransaction{connection}.exec("set plan_cache_mode = force_generic_plan");
  const DifferenceSql sql = difference_sql();
  connection.prepare("poll", sql.poll);
  connection.prepare("poll_and_rebuild", sql.poll_and_rebuild);
  connection.prepare("poll_and_audit", sql.poll_and_audit);
  connection.prepare("rebuild", sql.rebuild);
}

Polled Difference::poll(pqxx::connection& connection, const std::vector<rules::Service>& rebuild,
                        bool audit) {
  const bool from_nothing = snapshot_.empty();
  const std::string since = snapshot_;
  Polled polled;
  pqxx::nontransaction work{connection};
  polled.asked = steady_now();
  pqxx::result result;
  if (from_nothing) {
    result = work.exec_prepared("rebuild", std::to_string(rules::limits::deployments_max));
  } else if (rebuild.empty()) {
    result = work.exec_prepared(audit ? "poll_and_audit" : "poll", since, boundaries_array());
  } else {
    result = work.exec_prepared("poll_and_rebuild", since, boundaries_array(),
                                text_array(rebuild, &rules::Service::environment),
                                text_array(rebuild, &rules::Service::name));
  }
  polled.answered = steady_now();
  Rows rows = read(result);
  if (from_nothing) {
    boundaries_.clear();
  }
  note_boundaries(rows.deployments, rows.at);
  polled.told = rows.at;
  polled.events = rows.event_count;
  polled.newest = rows.newest;
  polled.recounts = from_nothing ? 1 : rebuild.size();
  polled.rows_skipped = rows.skipped;
  if (from_nothing) {
    polled.input = rules::FeedRebuilt{rows.at, rebuilt_before_ ? "reconnected" : "started",
                                      std::move(rows.deployments), std::move(rows.events)};
    rebuilt_before_ = true;
  } else {
    rules::FeedBatch batch{
        rows.at, std::move(rows.deployments), std::move(rows.events), rebuild, {}};
    if (audit && rebuild.empty()) {
      batch.audit = std::move(rows.audit);
    }
    polled.input = std::move(batch);
  }
  snapshot_ = std::move(rows.snapshot);
  return polled;
}

void Difference::note_boundaries(const std::vector<rules::Deployment>& deployments,
                                 rules::Instant now) {
  for (const rules::Deployment& d : deployments) {
    std::vector<rules::Instant>& moments = boundaries_[d.id];
    moments.clear();
    if (d.deployed_at) {
      moments.push_back(*d.deployed_at);
    }
    if (d.status == rules::DeploymentStatus::failed && d.completed_at) {
      moments.push_back(*d.completed_at);
    }
  }
  for (auto it = boundaries_.begin(); it != boundaries_.end();) {
    std::erase_if(it->second, [&](rules::Instant moment) { return moment < now - horizon; });
    it = it->second.empty() ? boundaries_.erase(it) : std::next(it);
  }
}

// In ascending order, as width_bucket() wants it.
std::string Difference::boundaries_array() const {
  std::vector<rules::Instant> moments;
  for (const auto& [id, own] : boundaries_) {
    moments.insert(moments.end(), own.begin(), own.end());
  }
  std::sort(moments.begin(), moments.end());
  std::string array = "{";
  for (const rules::Instant moment : moments) {
    array += (array.size() > 1 ? "," : "") + instant_text(moment);
  }
  return array + "}";
}

}  // namespace rollbackd::engine
