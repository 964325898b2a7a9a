#include "tests/bench/feed/writers.hpp"

#include <array>
#include <stdexcept>
#include <sys/epoll.h>
#include <unistd.h>

namespace rollbackd::tests {
namespace {

// An answer that takes longer than this is a server that hangs.
constexpr int patience_ms = 60'000;

void execute(PGconn* connection, const std::string& sql) {
  PGresult* result = PQexec(connection, sql.c_str());
  const bool failed = PQresultStatus(result) != PGRES_COMMAND_OK;
  PQclear(result);
  if (failed) {
    throw std::runtime_error{sql + ": " + PQerrorMessage(connection)};
  }
}

}  // namespace

Writers::Writers(const std::string& conninfo, int count) : epoll_{epoll_create1(EPOLL_CLOEXEC)} {
  for (int i = 0; i < count; ++i) {
    connections_.push_back(PQconnectdb((conninfo + " application_name=writer").c_str()));
    PGconn* connection = connections_.back();
    if (PQstatus(connection) != CONNECTION_OK) {
      throw std::runtime_error{PQerrorMessage(connection)};
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, PQsocket(connection), &event);
  }
}

Writers::~Writers() {
  for (PGconn* connection : connections_) {
    PQfinish(connection);
  }
  ::close(epoll_);
}

void Writers::listen_on_first(const std::string& channel) {
  execute(connections_.front(), "listen " + channel);
}

void Writers::prepare(const std::string& name, const std::string& sql) {
  for (PGconn* connection : connections_) {
    PGresult* result = PQprepare(connection, name.c_str(), sql.c_str(), 0, nullptr);
    const bool failed = PQresultStatus(result) != PGRES_COMMAND_OK;
    PQclear(result);
    if (failed) {
      throw std::runtime_error{sql + ": " + PQerrorMessage(connection)};
    }
  }
}

void Writers::send(PGconn* connection, const std::string& name) {
  if (PQsendQueryPrepared(connection, name.c_str(), 0, nullptr, nullptr, nullptr, 0) == 0) {
    throw std::runtime_error{PQerrorMessage(connection)};
  }
}

// Whether the statement has ended.
bool Writers::took_answer(PGconn* connection) {
  if (PQconsumeInput(connection) == 0) {
    throw std::runtime_error{PQerrorMessage(connection)};
  }
  while (PGnotify* note = PQnotifies(connection)) {
    PQfreemem(note);
  }
  // Nothing is asked of a connection whose writer has finished: a notification is all that comes.
  if (PQtransactionStatus(connection) != PQTRANS_ACTIVE) {
    return false;
  }
  while (PQisBusy(connection) == 0) {
    PGresult* result = PQgetResult(connection);
    if (result == nullptr) {
      return true;
    }
    const auto status = PQresultStatus(result);
    PQclear(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      throw std::runtime_error{std::string{"a writer failed: "} + PQerrorMessage(connection)};
    }
  }
  return false;
}

Slice Writers::run(const std::string& name, Seconds length) {
  Slice slice;
  const auto begun = Steady::now();
  for (PGconn* connection : connections_) {
    send(connection, name);
  }
  auto now = begun;
  for (std::size_t busy = connections_.size(); busy > 0;) {
    std::array<epoll_event, 64> events{};
    const int ready = epoll_wait(epoll_, events.data(), events.size(), patience_ms);
    if (ready == 0) {
      throw std::runtime_error{"the writers waited in vain for an answer to " + name};
    }
    now = Steady::now();
    for (int i = 0; i < ready; ++i) {
      auto* connection = static_cast<PGconn*>(events.at(static_cast<std::size_t>(i)).data.ptr);
      if (!took_answer(connection)) {
        continue;
      }
      ++slice.commits;
      if (now - begun < length && !stopping_) {
        send(connection, name);
      } else {
        --busy;
      }
    }
  }
  stopping_ = false;
  slice.length = now - begun;
  slice.ended = now;
  return slice;
}

}  // namespace rollbackd::tests
