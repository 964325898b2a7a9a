#include "engine/feed/recount.hpp"

#include <algorithm>
#include <map>

#include "engine/database/server_identity.hpp"
#include "engine/feed/feed_sql.hpp"
#include "engine/time_text.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

// A count reads a whole window of every log, and while it does nobody can alter them. One that is
// not done in time is given twice as much the next time.
constexpr rules::Duration count_patience_least = rules::seconds{8};
constexpr rules::Duration count_patience_most = rules::seconds{60};
constexpr rules::Duration count_stuck_after = rules::seconds{2};

// A text[] in PostgreSQL's own notation.
std::string text_array(const std::vector<rules::RebuildWindows>& wanted,
                       std::string rules::Service::*part) {
  std::string array = "{";
  for (const rules::RebuildWindows& one : wanted) {
    std::string quoted = "\"";
    for (const char c : one.service.*part) {
      if (c == '"' || c == '\\') {
        quoted += '\\';
      }
      quoted += c;
    }
    array += (array.size() > 1 ? "," : "") + quoted + "\"";
  }
  return array + "}";
}

std::vector<rules::WindowsRecounted> by_service(const std::vector<rules::RebuildWindows>& wanted,
                                                rules::Look look, FeedRows rows) {
  std::map<rules::Service, rules::WindowsRecounted> all;
  for (const rules::RebuildWindows& one : wanted) {
    all[one.service] = {one.service, one.number, look, {}};
  }
  for (auto& [service, group] : rows.recounted) {
    if (const auto own = all.find(service); own != all.end()) {
      own->second.events.push_back(std::move(group));
    }
  }
  std::vector<rules::WindowsRecounted> answers;
  answers.reserve(all.size());
  for (auto& [service, recounted] : all) {
    answers.push_back(std::move(recounted));
  }
  return answers;
}

}  // namespace

Recount::Recount(asio::io_context& reactor, const ConnectionInfo& info, rules::Second longest,
                 Handlers handlers, Log& log)
    : reactor_{reactor},
      longest_{longest},
      handlers_{std::move(handlers)},
      patience_{count_patience_least},
      session_{info,
               {"recount", count_patience_least + count_stuck_after,
                [this](Connection& connection) { server_ = server_identity(connection); }},
               log} {}

void Recount::ask(std::function<std::function<void()>(Connection&)> answer) {
  busy_ = true;
  session_.set_job_max(patience_ + count_stuck_after);
  session_.run(
      [this, answer = std::move(answer)](Connection& connection) {
        asio::post(reactor_, [this, then = answer(connection)] {
          busy_ = false;
          then();
        });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, failure] {
          busy_ = false;
          if (failure.sqlstate == query_canceled) {
            patience_ = std::min(patience_ * 2, count_patience_most);
          }
          handlers_.on_failed(failure.what);
        });
      });
}

// Asked again before it is said: this connection may be one to a server that is gone.
Transaction Recount::begin_at(Connection& connection, const std::string& server,
                              rules::Duration patience) {
  if (server != server_) {
    server_ = server_identity(connection);
  }
  if (server != server_) {
    throw pqxx::broken_connection{"the feed is connected to another server"};
  }
  Transaction work = begin(connection);
  work->exec("set local jit = off; set local statement_timeout = " + setting_text(patience));
  expect_server(connection, *work, server);
  return work;
}

void Recount::windows(const Basis& basis, std::vector<rules::RebuildWindows> wanted) {
  ask([this, basis, patience = patience_, wanted = std::move(wanted)](Connection& connection) {
    const SteadyTime asked = steady_now();
    const Transaction work = begin_at(connection, basis.server, patience);
    FeedRows rows =
        read_feed_rows(work->exec_params(feed_sql(basis.events, longest_).recount, basis.snapshot,
                                         text_array(wanted, &rules::Service::environment),
                                         text_array(wanted, &rules::Service::name)));
    return [this, answers = by_service(wanted, basis.look, std::move(rows)),
            took = steady_now() - asked] { handlers_.on_windows(answers, took); };
  });
}

void Recount::audit(const Basis& basis) {
  ask([this, basis, patience = patience_](Connection& connection) {
    const SteadyTime asked = steady_now();
    const auto moment = [&](rules::Second second) {
      return instant_text(rules::instant_of(second));
    };
    const Transaction work = begin_at(connection, basis.server, patience);
    FeedRows rows = read_feed_rows(work->exec_params(
        feed_sql(basis.events, longest_).audit, basis.snapshot, moment(basis.second - longest_ + 1),
        moment(basis.second + rules::limits::ahead_max + 1)));
    Audited found{
        {basis.look, std::move(rows.audited)}, std::move(rows.foreign), std::move(rows.unwatched)};
    return [this, found = std::move(found), took = steady_now() - asked] {
      handlers_.on_audited(found, took);
    };
  });
}

}  // namespace rollbackd::engine
