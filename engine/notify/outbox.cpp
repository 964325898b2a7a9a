#include "engine/notify/outbox.hpp"

#include <utility>

#include "engine/database/statement.hpp"
#include "engine/utf8.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

OutboxRead read_due(Connection& connection, std::size_t limit) {
  // Read only, but both questions to the same snapshot.
  const Transaction work = begin(connection);
  work->exec("set transaction isolation level repeatable read");
  OutboxRead read;
  const auto rows = work->exec_params(
      "select id, payload, attempts,"
      " coalesce((extract(epoch from now() - created_at) * 1000000)::bigint, 0)"
      " from ops.outbox where sent_at is null and next_attempt_at <= now() order by id limit $1",
      std::to_string(limit));
  for (const auto& row : rows) {
    read.rows.push_back({row[0].as<std::int64_t>(), row[1].c_str(), row[2].as<int>(),
                         rules::Duration{row[3].as<std::int64_t>()}});
  }
  read.waiting = work->exec_params1(
                         "select count(*) from ops.outbox"
                         " where sent_at is null and next_attempt_at < 'infinity'")[0]
                     .as<std::size_t>();
  work->commit();
  return read;
}

}  // namespace

PostgresOutbox::PostgresOutbox(const ConnectionInfo& info, Log& log)
    : log_{log}, session_{info, {"outbox", rules::seconds{10}, [](Connection&) {}}, log} {}

void PostgresOutbox::due(std::size_t limit, OnRead on_read) {
  // Waits for the connection like the writes before it, so that what was just sent is not due
  // again.
  session_.run_when_connected(
      [limit, on_read](Connection& connection) { on_read(read_due(connection, limit)); },
      [on_read](const SessionFailure& failure) {
        on_read(Error{failure.what, {}});
      });
}

void PostgresOutbox::sent(std::int64_t id) {
  write([id](Connection& connection) {
    const Transaction work = begin(connection);
    work->exec_params(
        "update ops.outbox set sent_at = now(), attempts = attempts + 1, last_error = null"
        " where id = $1 and sent_at is null",
        id);
    work->commit();
  });
}

void PostgresOutbox::failed(std::int64_t id, std::string error,
                            std::optional<rules::Duration> next_attempt_after) {
  std::string text = cut_end(plain_text(error), rules::limits::detail_text_max);
  write([id, text = std::move(text), next_attempt_after](Connection& connection) {
    const Transaction work = begin(connection);
    work->exec_params(
        "update ops.outbox set attempts = attempts + 1, last_error = $2, next_attempt_at ="
        " coalesce(now() + $3::bigint * interval '1 microsecond', 'infinity')"
        " where id = $1 and sent_at is null",
        id, text,
        next_attempt_after ? std::optional{std::to_string(next_attempt_after->count())}
                           : std::nullopt);
    work->commit();
  });
}

// Tried again when the connection broke under it: done twice is as good as once.
void PostgresOutbox::write(const Session::Job& job) {
  session_.run_when_connected(job, [this, job](const SessionFailure& failure) {
    if (failure.lost) {
      write(job);
    } else {
      log_.error("outbox_not_written", {{"what", failure.what}, {"sqlstate", failure.sqlstate}});
    }
  });
}

}  // namespace rollbackd::engine
