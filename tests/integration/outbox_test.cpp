#include "engine/notify/outbox.hpp"

#include <future>
#include <optional>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/http_stub.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::tests {
namespace {

using engine::OutboxRead;
using engine::PostgresOutbox;

struct Fixture {
  // The answer to one due().
  engine::Result<OutboxRead> due(std::size_t limit) {
    std::promise<engine::Result<OutboxRead>> read;
    auto answer = read.get_future();
    outbox.due(limit, [&read](const engine::Result<OutboxRead>& found) { read.set_value(found); });
    REQUIRE(answer.wait_for(std::chrono::seconds{30}) == std::future_status::ready);
    return answer.get();
  }
  void add(int count) {
    query(server.conninfo(),
          "insert into ops.outbox (kind, payload) select 'initiated',"
          " '{\"kind\": \"initiated\", \"reason\": \"errors\"}' from generate_series(1, " +
              std::to_string(count) + ")");
  }
  std::string ask(const std::string& sql) { return query(server.conninfo(), sql); }

  InstalledPostgres server;
  RecordingLog log;
  PostgresOutbox outbox{{server.conninfo("rollbackd"), {}}, log};
};

TEST_CASE("outbox: due rows in order, with what else waits") {
  Fixture f;
  f.add(5);
  f.ask("update ops.outbox set next_attempt_at = now() + interval '1 hour' where id = 2");
  f.ask("update ops.outbox set sent_at = now() where id = 3");
  f.ask("update ops.outbox set created_at = now() - interval '2 hours', attempts = 4 where id = 4");
  const auto read = f.due(2);
  REQUIRE(read);
  REQUIRE(read->rows.size() == 2);
  CHECK(read->rows[0].id == 1);
  CHECK(read->rows[0].attempts == 0);
  CHECK(read->rows[0].payload == "{\"kind\": \"initiated\", \"reason\": \"errors\"}");
  CHECK(read->rows[1].id == 4);
  CHECK(read->rows[1].attempts == 4);
  CHECK(read->rows[1].age >= std::chrono::hours{2});
  CHECK(read->rows[1].age < std::chrono::hours{3});
  CHECK(read->waiting == 4);
}

TEST_CASE("outbox: what became of a message is recorded") {
  Fixture f;
  f.add(3);
  f.outbox.sent(1);
  f.outbox.failed(2, "the webhook answered 503 \xFF", std::chrono::minutes{5});
  f.outbox.failed(3, "refused", std::nullopt);
  const auto read = f.due(20);  // after the writes: they are done in order
  REQUIRE(read);
  CHECK(read->rows.empty());
  CHECK(read->waiting == 1);
  CHECK(f.ask("select sent_at is not null and attempts = 1 and last_error is null"
              " from ops.outbox where id = 1") == "t");
  CHECK(f.ask("select sent_at is null and attempts = 1 and last_error like 'the webhook answered "
              "503 _' and next_attempt_at - now() between '4 minutes' and '5 minutes'"
              " from ops.outbox where id = 2") == "t");
  CHECK(f.ask("select sent_at is null and attempts = 1 and last_error = 'refused'"
              " and next_attempt_at = 'infinity' from ops.outbox where id = 3") == "t");
  CHECK(f.log.text().empty());
}

TEST_CASE("outbox: what was delivered while the database was away is marked when it is back") {
  Fixture f;
  f.add(1);
  REQUIRE(f.due(20));
  f.server.stop();
  f.outbox.sent(1);
  f.server.start();
  // The first read may come before the second attempt to mark it; the Notifier knows better then.
  static_cast<void>(f.due(20));
  const auto again = f.due(20);
  REQUIRE(again);
  CHECK(again->waiting == 0);
  CHECK(f.ask("select attempts from ops.outbox") == "1");
}

TEST_CASE("outbox: messages of the journal's table reach the channel, once each") {
  Fixture f;
  HttpStub stub;
  engine::asio::io_context reactor;
  engine::HttpClient http{reactor.get_executor()};
  RecordingMeter meter;
  engine::NotifierSettings settings;
  settings.webhook_url = stub.url("/hook");
  engine::Notifier notifier{reactor, http, f.outbox, meter, f.log, settings};
  notifier.start();
  f.add(25);
  notifier.wake();
  REQUIRE(run_until(reactor, [&] { return meter.counted(engine::Count::notifications) == 25; }));
  REQUIRE(f.due(20));
  CHECK(f.ask("select count(*) from ops.outbox where sent_at is not null and attempts = 1") ==
        "25");
  CHECK(stub.requests().size() == 25);
}

}  // namespace
}  // namespace rollbackd::tests
