#include "engine/database/pooling.hpp"

#include <chrono>
#include <poll.h>

#include <libpq-fe.h>

#include "engine/clock.hpp"
#include "engine/database/raw_query.hpp"

namespace rollbackd::engine {
namespace {

constexpr rules::Duration heard_within = rules::seconds{1};
constexpr rules::Duration answered_within = rules::seconds{3};
// A pooler gives the session that LISTENs back to us with luck only.
constexpr int unlisten_attempts_max = 10;

std::optional<std::string> ask(const RawConnection& connection, const std::string& sql) {
  return ask_within(connection.get(), sql, answered_within);
}

bool hears_within(const RawConnection& connection, rules::Duration limit) {
  const SteadyTime until = steady_now() + limit;
  while (PQconsumeInput(connection.get()) == 1) {
    if (PGnotify* note = PQnotifies(connection.get())) {
      PQfreemem(note);
      return true;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_now());
    if (left.count() <= 0) {
      return false;
    }
    pollfd socket{PQsocket(connection.get()), POLLIN, 0};
    ::poll(&socket, 1, static_cast<int>(left.count()) + 1);
  }
  return false;
}

std::string probe_channel(const RawConnection& hearing) {
  return "rollbackd_probe_" + std::to_string(static_cast<unsigned>(PQbackendPID(hearing.get())));
}

// The session that was made to listen belongs to all clients of the pool.
void unlisten(const RawConnection& connection, const std::string& channel, const std::string& pid) {
  for (int attempt = 0; attempt < unlisten_attempts_max; ++attempt) {
    const auto where = ask(connection, "unlisten " + channel + "; select pg_backend_pid()");
    if (!where || *where == pid) {
      return;
    }
  }
}

}  // namespace

std::optional<rules::Duration> bell_round_trip(const std::string& conninfo) {
  const RawConnection hearing{PQconnectdb(conninfo.c_str())};
  const RawConnection ringing{PQconnectdb(conninfo.c_str())};
  const std::string channel = probe_channel(hearing);
  if (!ask(hearing, "listen " + channel)) {
    return std::nullopt;
  }
  const SteadyTime rung = steady_now();
  if (!ask(ringing, "notify " + channel) || !hears_within(hearing, heard_within)) {
    return std::nullopt;
  }
  return std::chrono::duration_cast<rules::Duration>(steady_now() - rung);
}

std::optional<Pooling> pooling_at(const std::string& conninfo) {
  const RawConnection hearing{PQconnectdb(conninfo.c_str())};
  const int told = PQbackendPID(hearing.get());
  const auto pid = ask(hearing, "select pg_backend_pid()");
  if (pid == std::to_string(told)) {
    return Pooling::none;
  }
  const RawConnection ringing{PQconnectdb(conninfo.c_str())};
  const std::string channel = probe_channel(hearing);
  const auto listening = ask(hearing, "listen " + channel + "; select pg_backend_pid()");
  if (!listening || !ask(ringing, "notify " + channel)) {
    return std::nullopt;
  }
  if (hears_within(hearing, heard_within)) {
    return Pooling::session;
  }
  unlisten(hearing, channel, *listening);
  return Pooling::transaction;
}

}  // namespace rollbackd::engine
