#include "engine/database/raw_query.hpp"

#include <chrono>
#include <memory>
#include <poll.h>

#include <libpq-fe.h>

#include "engine/clock.hpp"

namespace rollbackd::engine {
namespace {

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};

bool is_answered(PGconn* connection, SteadyTime until) {
  while (PQisBusy(connection) != 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_now());
    pollfd socket{PQsocket(connection), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&socket, 1, static_cast<int>(left.count()) + 1) < 0 ||
        PQconsumeInput(connection) == 0) {
      return false;
    }
  }
  return true;
}

}  // namespace

void CloseRaw::operator()(PGconn* connection) const { PQfinish(connection); }

std::optional<std::string> ask_within(PGconn* connection, const std::string& sql,
                                      rules::Duration limit) {
  const SteadyTime until = steady_now() + limit;
  if (PQsendQuery(connection, sql.c_str()) == 0) {
    return std::nullopt;
  }
  std::optional<std::string> field;
  while (is_answered(connection, until)) {
    const std::unique_ptr<PGresult, Clear> result{PQgetResult(connection)};
    if (!result) {
      return field;
    }
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      return std::nullopt;
    }
    field = PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
  }
  return std::nullopt;
}

}  // namespace rollbackd::engine
