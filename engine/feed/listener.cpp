#include "engine/feed/listener.hpp"

#include <cstring>
#include <unistd.h>
#include <utility>

#include <libpq-fe.h>

#include "engine/database/backoff.hpp"
#include "engine/database/doorbell_names.hpp"
#include "engine/database/pooling.hpp"
#include "engine/database/raw_query.hpp"
#include "engine/database/refusal.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::chrono::seconds heartbeat_every{2};
constexpr rules::Duration heartbeat_max = rules::seconds{4};
// For each question while a connection is opened.
constexpr rules::Duration open_max = rules::seconds{3};
// Where LISTEN cannot work, look again this often: a pooler may be gone one day.
constexpr std::chrono::seconds by_design_retry{60};

struct ResultCloser {
  void operator()(PGresult* result) const { PQclear(result); }
};
using QueryResult = std::unique_ptr<PGresult, ResultCloser>;

bool succeeded(const QueryResult& result) {
  const ExecStatusType status = PQresultStatus(result.get());
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

}  // namespace

struct Listener::Opened {
  Connection connection;
  std::string problem;
  bool by_design = false;
  bool login_refused = false;  // known only when the problem is a new one
};

void Listener::Closer::operator()(pg_conn* connection) const { PQfinish(connection); }

Listener::Listener(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers,
                   Log& log)
    : reactor_{reactor},
      info_{info},
      handlers_{std::move(handlers)},
      log_{log},
      heartbeat_{reactor},
      retry_{reactor} {}

Listener::~Listener() {
  stop();
  if (opener_.joinable()) {
    opener_.join();
  }
}

void Listener::start() { open(); }

void Listener::stop() {
  stopping_ = true;
  ++generation_;
  heartbeat_.cancel();
  retry_.cancel();
  socket_.reset();
  connection_.reset();
}

void Listener::open() {
  if (stopping_) {
    return;
  }
  if (opener_.joinable()) {
    opener_.join();
  }
  opener_ = std::thread{[this, info = info_, known = problem_] {
    auto result = std::make_shared<Opened>();
    if (const auto conninfo = session_conninfo(info, "listener")) {
      open_blocking(*conninfo, known, *result);
    } else {
      result->problem = conninfo.error().what;
    }
    asio::post(reactor_, [this, result] { opened(result); });
  }};
}

void Listener::open_blocking(const std::string& conninfo, const std::string& known_problem,
                             Opened& result) {
  Connection connection{PQconnectdb(conninfo.c_str())};
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    result.problem = one_line(PQerrorMessage(connection.get()));
    if (result.problem != known_problem) {
      result.login_refused = is_login_refused(refusal_of(conninfo));
    }
    return;
  }
  const auto fail = [&] {
    result.problem = one_line(PQerrorMessage(connection.get()));
    if (result.problem.empty()) {
      result.problem = "the server does not answer";
    }
  };
  const auto pid = ask_within(connection.get(), "select pg_backend_pid()", open_max);
  if (!pid) {
    fail();
    return;
  }
  // A pooler tells its clients numbers of its own; whether it keeps a session is to be tried.
  if (*pid != std::to_string(PQbackendPID(connection.get()))) {
    const auto pooling = pooling_at(conninfo);
    if (pooling != Pooling::session) {
      result.by_design = pooling == Pooling::transaction;
      result.problem =
          result.by_design ? pooler_swallows_bell : "what the pooler does could not be found out";
      return;
    }
  }
  const auto listening = ask_within(
      connection.get(),
      std::string{"set idle_session_timeout = 0; set tcp_user_timeout = '10s'; listen "} +
          doorbell_channel,
      open_max);
  if (!listening || PQsetnonblocking(connection.get(), 1) != 0) {
    fail();
    return;
  }
  result.connection = std::move(connection);
}

void Listener::opened(const std::shared_ptr<Opened>& result) {
  if (stopping_) {
    return;
  }
  if (!result->connection) {
    if (result->problem != problem_) {
      login_refused_ = result->login_refused;
    }
    lose(result->problem, result->by_design);
    return;
  }
  attempts_ = 0;
  problem_.clear();
  login_refused_ = false;
  ++generation_;
  asked_.reset();
  connection_ = std::move(result->connection);
  // The descriptor is ours to close, the socket is libpq's.
  socket_.emplace(reactor_, ::dup(PQsocket(connection_.get())));
  wait_readable();
  beat();
  handlers_.on_listening();
}

void Listener::wait_readable() {
  socket_->async_wait(asio::posix::stream_descriptor::wait_read,
                      [this, mine = generation_](const boost::system::error_code& error) {
                        if (mine == generation_ && !error) {
                          read();
                        }
                      });
}

void Listener::read() {
  if (PQconsumeInput(connection_.get()) == 0) {
    lose(one_line(PQerrorMessage(connection_.get())), false);
    return;
  }
  while (PQisBusy(connection_.get()) == 0) {
    const QueryResult result{PQgetResult(connection_.get())};
    if (!result) {
      break;
    }
    asked_.reset();
    if (succeeded(result) && std::strcmp(PQgetvalue(result.get(), 0, 0), "f") != 0) {
      lose("the server is a standby now", false);
      return;
    }
  }
  Heard heard;
  while (PGnotify* note = PQnotifies(connection_.get())) {
    const bool canary = std::strcmp(note->extra, "canary") == 0;
    ++heard.bells;
    heard.canary = heard.canary || canary;
    heard.strange += !canary && note->extra[0] != '\0' ? 1 : 0;
    PQfreemem(note);
  }
  wait_readable();
  if (heard.bells > 0) {
    handlers_.on_bell(heard);
  }
}

// A link that only reads never notices that it is dead.
void Listener::beat() {
  const SteadyTime now = steady_now();
  if (asked_ && now - *asked_ > heartbeat_max) {
    lose("the server does not answer the heartbeat", false);
    return;
  }
  if (!asked_) {
    if (PQsendQuery(connection_.get(), "select pg_is_in_recovery()") == 0 ||
        PQflush(connection_.get()) < 0) {
      lose(one_line(PQerrorMessage(connection_.get())), false);
      return;
    }
    asked_ = now;
  }
  heartbeat_.expires_after(heartbeat_every);
  heartbeat_.async_wait([this, mine = generation_](const boost::system::error_code& error) {
    if (mine == generation_ && !error) {
      beat();
    }
  });
}

void Listener::lose(const std::string& why, bool by_design) {
  ++generation_;
  heartbeat_.cancel();
  socket_.reset();
  connection_.reset();
  // What would only be repeated is not said again.
  if (std::exchange(problem_, why) != why) {
    handlers_.on_deaf(why, by_design);
  }
  if (stopping_) {
    return;
  }
  ++attempts_;
  retry_.expires_after(by_design ? rules::Duration{by_design_retry}
                                 : reconnect_delay(attempts_, login_refused_));
  retry_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      open();
    }
  });
}

}  // namespace rollbackd::engine
