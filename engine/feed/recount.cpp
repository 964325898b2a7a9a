#include "engine/feed/recount.hpp"

#include <map>
#include <stdexcept>

#include "engine/database/server_identity.hpp"
#include "engine/feed/feed_sql.hpp"
#include "engine/time_text.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

// A count reads a whole window of every log. While it does, nobody can alter them.
constexpr const char* statement_timeout = "set statement_timeout = '30s'; set jit = off";
constexpr rules::Duration job_max = rules::seconds{35};

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
      session_{info,
               {"recount", job_max,
                [this](Connection& connection) {
                  server_ = server_identity(connection);
                  if (!connection.is_pooled()) {
                    pqxx::nontransaction{connection}.exec(statement_timeout);
                  }
                }},
               log} {}

void Recount::ask(const std::string& server,
                  std::function<std::function<void()>(Connection&)> answer) {
  busy_ = true;
  session_.run(
      [this, server, answer = std::move(answer)](Connection& connection) {
        expect_server(connection, server);
        asio::post(reactor_, [this, then = answer(connection)] {
          busy_ = false;
          then();
        });
      },
      [this](const SessionFailure& failure) {
        asio::post(reactor_, [this, why = failure.what] {
          busy_ = false;
          handlers_.on_failed(why);
        });
      });
}

// Asked again before it is said: this connection may be one to a server that is gone.
void Recount::expect_server(Connection& connection, const std::string& server) {
  if (server == server_) {
    return;
  }
  server_ = server_identity(connection);
  if (server != server_) {
    throw std::runtime_error{"the feed is connected to another server"};
  }
}

void Recount::windows(const Basis& basis, std::vector<rules::RebuildWindows> wanted) {
  ask(basis.server, [this, basis, wanted = std::move(wanted)](Connection& connection) {
    const SteadyTime asked = steady_now();
    pqxx::nontransaction work{connection};
    FeedRows rows =
        read_feed_rows(work.exec_params(feed_sql(basis.events, longest_).recount, basis.snapshot,
                                        text_array(wanted, &rules::Service::environment),
                                        text_array(wanted, &rules::Service::name)));
    return [this, answers = by_service(wanted, basis.look, std::move(rows)),
            took = steady_now() - asked] { handlers_.on_windows(answers, took); };
  });
}

void Recount::audit(const Basis& basis) {
  ask(basis.server, [this, basis](Connection& connection) {
    const SteadyTime asked = steady_now();
    const auto moment = [&](rules::Second second) {
      return instant_text(rules::instant_of(second));
    };
    pqxx::nontransaction work{connection};
    FeedRows rows = read_feed_rows(work.exec_params(
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
