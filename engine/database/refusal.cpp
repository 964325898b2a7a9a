#include "engine/database/refusal.hpp"

#include <chrono>
#include <poll.h>

#include <libpq-fe.h>

#include "engine/clock.hpp"
#include "engine/database/raw_query.hpp"

namespace rollbackd::engine {
namespace {

constexpr rules::Duration refused_within = rules::seconds{2};
constexpr std::size_t sqlstate_length = 5;

// The last word of "… FATAL:  28P01", which is all that is said at this verbosity.
std::string last_word(const std::string& text) {
  const auto end = text.find_last_not_of(" \n");
  if (end == std::string::npos || end + 1 < sqlstate_length) {
    return {};
  }
  const std::string word = text.substr(end + 1 - sqlstate_length, sqlstate_length);
  const bool is_sqlstate =
      word.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos;
  return is_sqlstate ? word : std::string{};
}

}  // namespace

std::string refusal_of(const std::string& conninfo) {
  const RawConnection connection{PQconnectStart(conninfo.c_str())};
  if (!connection) {
    return {};
  }
  PQsetErrorVerbosity(connection.get(), PQERRORS_SQLSTATE);
  const SteadyTime until = steady_now() + refused_within;
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_now());
    const short wanted = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    pollfd socket{PQsocket(connection.get()), wanted, 0};
    if (left.count() <= 0 || ::poll(&socket, 1, static_cast<int>(left.count()) + 1) < 0) {
      return {};
    }
    status = PQconnectPoll(connection.get());
  }
  return status == PGRES_POLLING_FAILED ? last_word(PQerrorMessage(connection.get())) : "";
}

bool is_login_refused(const std::string& sqlstate) { return sqlstate.rfind("28", 0) == 0; }

}  // namespace rollbackd::engine
