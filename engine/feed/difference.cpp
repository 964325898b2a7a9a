#include "engine/feed/difference.hpp"

#include <algorithm>
#include <utility>

#include "engine/database/server_identity.hpp"
#include "engine/database/statement.hpp"
#include "engine/time_text.hpp"
#include "rules/heartbeat.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

// A server's clock that is behind what it has said by more than this was set back: the windows
// begin anew, for those that stand in the future take nothing in.
constexpr rules::Duration clock_slack = rules::seconds{2};
// Rows too far ahead to be kept are fetched this long before the windows reach them.
constexpr rules::Duration far_lead = rules::minutes{2};

std::uint64_t count_of(const std::vector<rules::EventGroup>& events) {
  std::uint64_t count = 0;
  for (const rules::EventGroup& group : events) {
    count += is_heartbeat(group) ? 0 : group.count();
  }
  return count;
}

rules::Instant newest_of(const std::vector<rules::EventGroup>& events) {
  rules::Instant newest{};
  for (const rules::EventGroup& group : events) {
    if (is_heartbeat(group)) {
      continue;
    }
    newest = std::max({newest, group.at, rules::instant_of(group.seconds.back().at)});
  }
  return newest;
}

}  // namespace

void Difference::connected(Connection& connection) {
  const std::string before = std::exchange(server_, server_identity(connection));
  patience_ = rules::Duration{0};
  forget(before.empty() ? "started" : before == server_ ? "reconnected" : "server_changed");
}

void Difference::forget(const std::string& why) {
  why_ = why;
  snapshot_.clear();
  sql_.reset();
}

// The same plan every time, because planning costs several times the execution; and never one that
// reads a whole log, which the planner's guess about a snapshot it does not know might suggest.
void Difference::prepare(Connection& connection) {
  if (!connection.is_pooled()) {
    pqxx::nontransaction{connection}.exec(
        "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set jit = off");
  }
  const Transaction work = begin_single(connection);
  const pqxx::row logs = work->exec(
      "select ops.rollbackd_events_query(), coalesce(sum(version), 0)::text"
      " from ops.watched_logs")[0];
  events_ = logs[0].c_str();
  logs_ = logs[1].c_str();
  work->commit();
  sql_ = feed_sql(events_, longest_);
  poll_ = "poll_" + std::to_string(++prepared_);
}

// The second question, where there is one, sees all that the first one saw.
FeedRows Difference::ask(Connection& connection, rules::Duration patience) const {
  const Transaction work = begin_single(connection);
  if (connection.is_pooled()) {
    work->exec(
        "set local enable_seqscan = off; set local jit = off; set local statement_timeout = " +
        setting_text(patience));
  }
  expect_server(connection, *work, server_);
  const auto poll = [&](const char* suffix, const std::string& sql) {
    return read_feed_rows(
        run_statement(connection, *work, {poll_ + suffix, sql}, snapshot_, boundaries_array()));
  };
  FeedRows rows;
  if (snapshot_.empty()) {
    rows = read_feed_rows(
        work->exec_params(sql_->rebuild, std::to_string(rules::limits::deployments_max)));
  } else {
    rows = poll("", sql_->poll);
    if (rows.deployments_changed) {
      rows = poll("_with_deployments", sql_->poll_with_deployments);
    }
  }
  work->commit();
  return rows;
}

Looked Difference::look(Connection& connection, rules::Duration patience) {
  if (patience != patience_ && !connection.is_pooled()) {
    pqxx::nontransaction{connection}.exec("set statement_timeout = " + setting_text(patience));
    patience_ = patience;
  }
  if (!sql_) {
    prepare(connection);
  }
  const bool from_nothing = snapshot_.empty();
  Looked looked;
  looked.asked = steady_now();
  FeedRows rows = ask(connection, patience);
  looked.answered = steady_now();
  if (from_nothing) {
    boundaries_.clear();
    earliest_far_.reset();
    newest_ = rows.at;
  }
  note_boundaries(rows.deployments, rows.at);
  looked.look = ++last_;
  looked.snapshot = rows.snapshot;
  looked.server = server_;
  looked.events = events_;
  looked.told = rows.at;
  looked.count = count_of(rows.events);
  looked.newest = newest_of(rows.events);
  looked.told_apart = rows.told_apart;
  looked.rows_skipped = rows.skipped;
  if (from_nothing) {
    looked.input =
        rules::FeedRebuilt{rows.at, why_, std::move(rows.deployments), std::move(rows.events)};
  } else {
    looked.input = rules::FeedBatch{rows.at, last_, std::move(rows.deployments),
                                    std::move(rows.events), false};
  }
  snapshot_ = rows.snapshot;
  note_what_changes(rows);
  return looked;
}

void Difference::note_what_changes(const FeedRows& rows) {
  if (rows.told_apart.earliest_far) {
    earliest_far_ =
        std::min(earliest_far_.value_or(rules::Instant::max()), *rows.told_apart.earliest_far);
  }
  if (rows.at < newest_ - clock_slack) {
    forget("clock_set_back");
  } else if (rows.logs != logs_) {
    forget("watched_logs_changed");
  } else if (earliest_far_ && *earliest_far_ < rows.at + far_lead) {
    forget("far_future_rows");
  }
  newest_ = std::max(newest_, rows.at);
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
  const rules::Instant oldest =
      now - rules::seconds{longest_ + rules::limits::late_max + rules::limits::ahead_max};
  for (auto it = boundaries_.begin(); it != boundaries_.end();) {
    std::erase_if(it->second, [&](rules::Instant moment) { return moment < oldest; });
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
