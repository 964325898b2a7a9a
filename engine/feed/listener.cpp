#include "engine/feed/listener.hpp"

#include <cstring>
#include <unistd.h>

#include <libpq-fe.h>

#include "engine/database/backoff.hpp"
#include "engine/database/doorbell_names.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::chrono::seconds heartbeat_every{2};
constexpr rules::Duration heartbeat_max = rules::seconds{4};
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
};

void Listener::Closer::operator()(pg_conn* connection) const { PQfinish(connection); }

Listener::Listener(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers,
                   Log& log)
    : reactor_{reactor},
      handlers_{std::move(handlers)},
      log_{log},
      heartbeat_{reactor},
      retry_{reactor} {
  if (auto conninfo = session_conninfo(info, "listener")) {
    conninfo_ = *conninfo;
  }
}

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
  opener_ = std::thread{[this] {
    auto result = std::make_shared<Opened>();
    open_blocking(conninfo_, *result);
    asio::post(reactor_, [this, result] { opened(result); });
  }};
}

void Listener::open_blocking(const std::string& conninfo, Opened& result) {
  Connection connection{PQconnectdb(conninfo.c_str())};
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    result.problem = one_line(PQerrorMessage(connection.get()));
    return;
  }
  const auto run = [&connection](const std::string& sql) {
    return QueryResult{PQexec(connection.get(), sql.c_str())};
  };
  // A pooler hands out other backends than it says, accepts LISTEN and delivers nothing.
  const QueryResult pid = run("select pg_backend_pid()");
  if (!succeeded(pid)) {
    result.problem = one_line(PQerrorMessage(connection.get()));
    return;
  }
  if (std::to_string(PQbackendPID(connection.get())) != PQgetvalue(pid.get(), 0, 0)) {
    result.problem = "a connection pooler is in between: LISTEN delivers nothing through it";
    result.by_design = true;
    return;
  }
  const QueryResult listening =
      run(std::string{"set idle_session_timeout = 0; set timezone = 'UTC'; listen "} +
          doorbell_channel);
  if (!succeeded(listening) || PQsetnonblocking(connection.get(), 1) != 0) {
    result.problem = one_line(PQerrorMessage(connection.get()));
    return;
  }
  result.connection = std::move(connection);
}

void Listener::opened(const std::shared_ptr<Opened>& result) {
  if (stopping_) {
    return;
  }
  if (!result->connection) {
    lose(result->problem, result->by_design);
    return;
  }
  attempts_ = 0;
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
  bool rang = false;
  bool canary = false;
  while (PGnotify* note = PQnotifies(connection_.get())) {
    rang = true;
    canary = canary || std::strcmp(note->extra, "canary") == 0;
    PQfreemem(note);
  }
  wait_readable();
  if (rang) {
    handlers_.on_bell(canary);
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
  handlers_.on_deaf(why, by_design);
  if (stopping_) {
    return;
  }
  ++attempts_;
  retry_.expires_after(by_design ? rules::Duration{by_design_retry} : reconnect_delay(attempts_));
  retry_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      open();
    }
  });
}

}  // namespace rollbackd::engine
