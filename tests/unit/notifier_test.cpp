#include "engine/notify/notifier.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "engine/outgoing/discord_rest.hpp"
#include "tests/support/http_stub.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::engine {
namespace {

using tests::HttpStub;
using tests::run_until;
using tests::StubAnswer;

// The outbox in memory; delays are recorded instead of waited for.
class FakeOutbox : public Outbox {
 public:
  struct Message {
    std::string payload;
    int attempts = 0;
    rules::Duration age{};
    bool due = true;
    bool sent = false;
    bool given_up = false;
    std::string error;
    std::vector<rules::Duration> delays;
  };

  void due(std::size_t limit, OnRead on_read) override {
    ++reads;
    if (broken) {
      on_read(Error{"no connection to the database", {}});
      return;
    }
    OutboxRead read;
    for (auto& [id, message] : messages) {
      if (message.sent || message.given_up) {
        continue;
      }
      ++read.waiting;
      if (message.due && read.rows.size() < limit) {
        read.rows.push_back({id, message.payload, message.attempts, message.age});
      }
    }
    on_read(std::move(read));
  }
  void sent(std::int64_t id) override {
    if (!forgets) {
      messages[id].sent = true;
      ++messages[id].attempts;
    }
  }
  void failed(std::int64_t id, std::string error,
              std::optional<rules::Duration> next_attempt_after) override {
    Message& message = messages[id];
    ++message.attempts;
    message.error = std::move(error);
    message.given_up = !next_attempt_after;
    message.due = due_again;
    if (next_attempt_after) {
      message.delays.push_back(*next_attempt_after);
    }
  }

  void add(std::int64_t id, const std::string& reason = "errors") {
    messages[id].payload = R"({"kind":"initiated","reason":")" + reason + "\"}";
  }

  std::map<std::int64_t, Message> messages;
  std::size_t reads = 0;
  bool broken = false;
  bool forgets = false;
  bool due_again = false;  // a failed message is due at the next read already
};

struct Fixture {
  Notifier& notifier(const std::string& path = "/api/webhooks/1/secret") {
    settings.webhook_url = path.empty() ? "" : stub.url(path);
    made.emplace(reactor, http, outbox, meter, log, settings);
    made->start();
    return *made;
  }
  bool all_sent() {
    return std::all_of(outbox.messages.begin(), outbox.messages.end(),
                       [](const auto& entry) { return entry.second.sent; });
  }
  // Lets everything happen that happens without waiting for a timer.
  bool settle(std::size_t requests) {
    return run_until(reactor, [&] {
      return meter.counted(Count::notifications) == static_cast<double>(requests);
    });
  }

  HttpStub stub;
  asio::io_context reactor;
  HttpClient http{reactor.get_executor()};
  FakeOutbox outbox;
  tests::RecordingMeter meter;
  tests::RecordingLog log;
  NotifierSettings settings;
  std::optional<Notifier> made;
};

StubAnswer answer(int status, std::string body = {}, decltype(StubAnswer::headers) headers = {}) {
  return {status, std::move(body), std::move(headers)};
}

TEST_CASE("notifier: what waits at the start is delivered, in order, and marked") {
  Fixture f;
  f.stub.otherwise(answer(200, R"({"id":"1"})"));
  for (int i = 1; i <= 45; ++i) {
    f.outbox.add(i, "reason " + std::to_string(i));
  }
  f.notifier();
  REQUIRE(run_until(f.reactor, [&] { return f.all_sent(); }));
  const auto requests = f.stub.requests();
  REQUIRE(requests.size() == 45);
  for (std::size_t i = 0; i < 45; ++i) {
    CHECK(requests[i].body.find("reason " + std::to_string(i + 1) + "\"") != std::string::npos);
  }
  CHECK(requests[0].method == "POST");
  CHECK(requests[0].target == "/api/webhooks/1/secret?wait=true");
  CHECK(requests[0].header("content-type") == "application/json");
  CHECK(requests[0].header("user-agent") == "DiscordBot (rollbackd, 0.1.0)");
  CHECK(f.meter.counted(Count::notifications) == 45);
  CHECK(f.meter.counted(Count::notifications_put_off) == 0);
  CHECK(f.meter.observed(Timing::notification) == 45);
  CHECK(run_until(f.reactor, [&] { return f.meter.level(Level::outbox_waiting) == 0; }));
}

TEST_CASE("notifier: a thread of a channel keeps its own parameter") {
  Fixture f;
  f.outbox.add(1);
  f.notifier("/hook?thread_id=7");
  REQUIRE(run_until(f.reactor, [&] { return f.all_sent(); }));
  CHECK(f.stub.requests()[0].target == "/hook?thread_id=7&wait=true");
}

TEST_CASE("notifier: a wake delivers at once, without waiting for the poll") {
  Fixture f;
  Notifier& notifier = f.notifier();
  REQUIRE(run_until(f.reactor, [&] { return f.outbox.reads == 1; }));
  f.outbox.add(1);
  notifier.wake();
  REQUIRE(run_until(f.reactor, [&] { return f.all_sent(); }));
  CHECK(f.outbox.reads <= 3);
}

TEST_CASE("notifier: without a wake the poll finds it") {
  Fixture f;
  f.settings.poll_idle = std::chrono::milliseconds{10};
  f.notifier();
  REQUIRE(run_until(f.reactor, [&] { return f.outbox.reads > 2; }));
  f.outbox.add(1);
  CHECK(run_until(f.reactor, [&] { return f.all_sent(); }));
}

TEST_CASE("notifier: a server's trouble is tried again, later and later, and stops the others") {
  Fixture f;
  f.settings.poll_waiting = std::chrono::milliseconds{5};
  f.outbox.due_again = true;
  f.stub.otherwise(answer(503));
  f.outbox.add(1);
  f.outbox.add(2);
  f.notifier();
  REQUIRE(run_until(f.reactor, [&] { return f.outbox.messages[1].attempts >= 11; }));
  using std::chrono::seconds;
  CHECK(
      std::vector(f.outbox.messages[1].delays.begin(), f.outbox.messages[1].delays.begin() + 11) ==
      std::vector<rules::Duration>{seconds{1}, seconds{2}, seconds{4}, seconds{8}, seconds{16},
                                   seconds{32}, seconds{64}, seconds{128}, seconds{256},
                                   seconds{300}, seconds{300}});
  CHECK(f.outbox.messages[2].attempts == 0);
  CHECK(f.outbox.messages[1].error == "the webhook answered 503");
  CHECK(f.meter.level(Level::outbox_waiting) == 2);
  f.stub.otherwise(answer(204));
  CHECK(run_until(f.reactor, [&] { return f.all_sent(); }));
  CHECK(f.meter.counted(Count::notifications_put_off) >= 11);
}

TEST_CASE("notifier: no answer and no connection are tried again") {
  Fixture f;
  f.settings.poll_waiting = std::chrono::milliseconds{5};
  f.settings.deadline = std::chrono::milliseconds{2000};
  f.outbox.due_again = true;
  for (const auto how : {StubAnswer::How::hold, StubAnswer::How::reset, StubAnswer::How::close}) {
    StubAnswer bad;
    bad.how = how;
    f.stub.next(bad);
  }
  f.outbox.add(1);
  f.notifier();
  REQUIRE(run_until(f.reactor, [&] { return f.all_sent(); }));
  CHECK(f.outbox.messages[1].attempts == 4);
  CHECK(f.outbox.messages[1].error.find("secret") == std::string::npos);
  CHECK(f.log.text().find("secret") == std::string::npos);
}

TEST_CASE("notifier: a rate limit is obeyed, for all messages and against every wake") {
  Fixture f;
  f.stub.next(answer(429, R"({"message":"slow","retry_after":600.5,"global":false})",
                     {{"Retry-After", "600"}}));
  f.outbox.add(1);
  f.outbox.add(2);
  Notifier& notifier = f.notifier();
  REQUIRE(f.settle(1));
  CHECK(f.outbox.messages[1].delays.at(0) >= std::chrono::milliseconds{600'500});
  const std::size_t reads = f.outbox.reads;
  notifier.wake();
  notifier.stop();
  notifier.start();
  f.reactor.poll();
  CHECK(f.outbox.reads == reads);
  CHECK(f.stub.requests().size() == 1);
}

TEST_CASE("notifier: after the last permitted request it waits for the reset") {
  Fixture f;
  f.stub.next(
      answer(200, "{}", {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset-After", "0.01"}}));
  f.stub.next(
      answer(200, "{}", {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset-After", "3000"}}));
  for (int i = 1; i <= 3; ++i) {
    f.outbox.add(i);
  }
  Notifier& notifier = f.notifier();
  REQUIRE(f.settle(2));
  notifier.wake();
  f.reactor.poll();
  CHECK(f.stub.requests().size() == 2);
  CHECK(f.outbox.messages[2].sent);
  CHECK_FALSE(f.outbox.messages[3].sent);
}

TEST_CASE("notifier: a webhook that does not exist is never used again") {
  for (const int status : {401, 404}) {
    Fixture f;
    f.settings.poll_idle = std::chrono::milliseconds{5};
    f.outbox.due_again = true;
    f.stub.otherwise(answer(status, R"({"message":"Unknown Webhook","code":10015})"));
    f.outbox.add(1);
    f.outbox.add(2);
    Notifier& notifier = f.notifier();
    REQUIRE(run_until(f.reactor, [&] { return f.outbox.reads > 5; }));
    notifier.wake();
    f.reactor.poll();
    CHECK(f.stub.requests().size() == 1);
    CHECK_FALSE(f.outbox.messages[1].given_up);  // a new webhook after a restart gets it
    CHECK(f.outbox.messages[1].error.find("Unknown Webhook") != std::string::npos);
    CHECK(f.meter.level(Level::outbox_waiting) == 2);
    CHECK(f.log.has(LogLevel::error, "notification_channel_gone channel=http://127.0.0.1:"));
    CHECK(f.log.text().find("secret") == std::string::npos);
  }
}

TEST_CASE("notifier: a message that Discord refuses, or that is none, holds up no other") {
  Fixture f;
  f.stub.next(answer(400, R"({"embeds":["0"]})"));
  f.outbox.add(1);
  f.outbox.messages[2].payload = "[]";
  f.outbox.add(3);
  f.notifier();
  REQUIRE(run_until(f.reactor, [&] { return f.outbox.messages[3].sent; }));
  CHECK(f.outbox.messages[1].given_up);
  CHECK(f.outbox.messages[1].error == R"(the webhook answered 400: {"embeds":["0"]})");
  CHECK(f.outbox.messages[2].given_up);
  CHECK(f.outbox.messages[2].error == "the payload is no JSON object");
  CHECK(f.log.has(LogLevel::error, "notification_given_up outbox_id=1"));
}

TEST_CASE("notifier: a message older than a day is given up") {
  Fixture f;
  f.outbox.add(1);
  f.outbox.messages[1].age = std::chrono::hours{25};
  f.outbox.add(2);
  f.notifier();
  REQUIRE(run_until(f.reactor, [&] { return f.outbox.messages[2].sent; }));
  CHECK(f.outbox.messages[1].given_up);
  CHECK(f.stub.requests().size() == 1);
}

TEST_CASE("notifier: where no channel is configured nothing piles up") {
  Fixture f;
  for (int i = 1; i <= 30; ++i) {
    f.outbox.add(i);
  }
  f.notifier("");
  REQUIRE(run_until(f.reactor, [&] { return f.outbox.messages[30].given_up; }));
  CHECK(f.outbox.messages[1].error == "no channel is configured");
  CHECK(f.stub.connections() == 0);
  CHECK(f.meter.counted(Count::notifications) == 0);
}

TEST_CASE("notifier: a row that could not be marked is not sent twice") {
  Fixture f;
  f.settings.poll_waiting = std::chrono::milliseconds{5};
  f.settings.poll_idle = std::chrono::milliseconds{5};
  f.outbox.forgets = true;
  f.outbox.add(1);
  f.notifier();
  REQUIRE(run_until(f.reactor, [&] { return f.outbox.reads > 5; }));
  CHECK(f.stub.requests().size() == 1);
  f.outbox.forgets = false;
  CHECK(run_until(f.reactor, [&] { return f.all_sent(); }));
  CHECK(f.stub.requests().size() == 1);
}

TEST_CASE("notifier: an outbox that cannot be read is read again") {
  Fixture f;
  f.settings.poll_idle = std::chrono::milliseconds{5};
  f.outbox.broken = true;
  f.outbox.add(1);
  f.notifier();
  REQUIRE(run_until(f.reactor, [&] { return f.outbox.reads > 2; }));
  CHECK(f.log.has(LogLevel::warning, "outbox_unreadable"));
  f.outbox.broken = false;
  CHECK(run_until(f.reactor, [&] { return f.all_sent(); }));
}

TEST_CASE("notifier: stopped, it sends nothing new but records what comes back") {
  Fixture f;
  StubAnswer held;
  held.how = StubAnswer::How::hold;
  f.stub.next(held);
  f.outbox.add(1);
  f.outbox.add(2);
  Notifier& notifier = f.notifier();
  // The request leaves from another thread; the reactor only has to ask for it.
  REQUIRE(run_until(f.reactor, [&] { return f.outbox.reads == 1; }));
  REQUIRE(f.stub.wait_for_requests(1));
  notifier.stop();
  notifier.wake();
  f.stub.release();
  REQUIRE(run_until(f.reactor, [&] { return f.outbox.messages[1].sent; }));
  f.reactor.poll();
  CHECK_FALSE(f.outbox.messages[2].sent);
  CHECK(f.stub.requests().size() == 1);
  notifier.start();
  CHECK(run_until(f.reactor, [&] { return f.all_sent(); }));
}

TEST_CASE("notifier: its end forgets what is under way") {
  Fixture f;
  StubAnswer held;
  held.how = StubAnswer::How::hold;
  f.stub.next(held);
  f.outbox.add(1);
  f.notifier();
  REQUIRE(run_until(f.reactor, [&] { return f.outbox.reads == 1; }));
  REQUIRE(f.stub.wait_for_requests(1));
  f.made.reset();
  f.stub.release();
  f.reactor.run_for(std::chrono::seconds{20});
  CHECK(f.reactor.stopped());
  CHECK_FALSE(f.outbox.messages[1].sent);
}

HttpOutcome answered(int status, const std::string& body, HttpHeaders headers) {
  HttpOutcome outcome;
  outcome.response = HttpResponse{status, std::move(headers), body, false};
  return outcome;
}

TEST_CASE("verdict: how long to wait is the longest that was said, within reason") {
  using std::chrono::milliseconds;
  const auto pause = [](const std::string& body, HttpHeaders headers) {
    return verdict_of(answered(429, body, std::move(headers))).pause;
  };
  CHECK(pause(R"({"retry_after":0.7})", {{"retry-after", "1"}}) == milliseconds{1050});
  CHECK(pause(R"({"retry_after":64.57})", {}) == milliseconds{64620});
  CHECK(pause("error code: 1015", {{"Retry-After", "9"}}) == milliseconds{9050});
  CHECK(pause("", {}) == milliseconds{5050});
  CHECK(pause(R"({"retry_after":1e300})", {}) == milliseconds{3'600'050});
  CHECK(pause(R"({"retry_after":-1})", {}) == milliseconds{50});
  CHECK(pause(R"({"retry_after":"x"})", {{"Retry-After", "nan"}}) == milliseconds{5050});
}

TEST_CASE("verdict: what an answer means for the message and the channel") {
  const auto kind = [](int status) { return verdict_of(answered(status, "", {})).kind; };
  CHECK(kind(200) == Verdict::Kind::delivered);
  CHECK(kind(204) == Verdict::Kind::delivered);
  CHECK(kind(302) == Verdict::Kind::later);
  CHECK(kind(400) == Verdict::Kind::refused);
  CHECK(kind(401) == Verdict::Kind::gone);
  CHECK(kind(403) == Verdict::Kind::later);
  CHECK(kind(404) == Verdict::Kind::gone);
  CHECK(kind(429) == Verdict::Kind::later);
  CHECK(kind(500) == Verdict::Kind::later);
  CHECK(verdict_of(HttpOutcome{}).kind == Verdict::Kind::later);
}

}  // namespace
}  // namespace rollbackd::engine
