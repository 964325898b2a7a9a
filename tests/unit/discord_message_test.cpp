#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/discord/live_message.hpp"
#include "tests/support/http_stub.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::engine {
namespace {

using std::chrono::milliseconds;
using tests::HttpStub;
using tests::run_until;
using tests::StubAnswer;
using tests::StubRequest;

struct MessageStage {
  explicit MessageStage(MessageTimes chosen = quick(), bool has_channel = true) : times{chosen} {
    discord.otherwise({200, R"({"id":"900"})"});
    message = std::make_shared<LiveMessage>(
        reactor.get_executor(), http, log,
        MessagePlace{discord.url("/webhooks/1/secret-token"),
                     has_channel ? discord.url("/webhooks/7/secret-channel?thread_id=5") : ""},
        times);
  }
  ~MessageStage() { CHECK(log.text().find("secret") == std::string::npos); }
  MessageStage(const MessageStage&) = delete;
  MessageStage& operator=(const MessageStage&) = delete;

  static MessageTimes quick() {
    MessageTimes times;
    times.first_edit_after = milliseconds{1};
    times.appears_within = milliseconds{10'000};
    times.appears_pause = milliseconds{10};
    times.between_edits = milliseconds{20};
    times.backoff_first = milliseconds{1};
    times.backoff_max = milliseconds{2};
    return times;
  }

  bool runs_until(std::size_t count) {
    return run_until(reactor, [&] { return discord.requests().size() >= count; });
  }
  // Until nothing more is to be done.
  void run() {
    reactor.restart();
    reactor.run();
  }
  [[nodiscard]] std::vector<std::string> said() const {
    std::vector<std::string> contents;
    for (const StubRequest& request : discord.requests()) {
      contents.push_back(nlohmann::json::parse(request.body).at("content"));
    }
    return contents;
  }
  [[nodiscard]] std::string asked(std::size_t i) const {
    const StubRequest request = discord.requests().at(i);
    return request.method + " " + request.target;
  }

  HttpStub discord;
  asio::io_context reactor;
  HttpClient http{reactor.get_executor()};
  tests::RecordingLog log;
  MessageTimes times;
  std::shared_ptr<LiveMessage> message;
};

const std::string edit = "PATCH /webhooks/1/secret-token/messages/@original";

}  // namespace

TEST_CASE("discord message: what comes faster than it may be told is told in one edit") {
  MessageStage stage;
  for (const char* text : {"a", "b", "c"}) {
    stage.message->show(text);
  }
  REQUIRE(stage.runs_until(1));
  stage.message->show("d");
  stage.message->show("e");
  stage.run();
  CHECK(stage.said() == std::vector<std::string>{"c", "e"});
  CHECK(stage.asked(0) == edit);
  const StubRequest request = stage.discord.requests().front();
  CHECK_FALSE(request.header("authorization"));
  CHECK(request.header("user-agent").value_or("").starts_with("DiscordBot ("));
}

TEST_CASE("discord message: while one edit is under way no other is, and the last text is told") {
  MessageStage stage;
  stage.discord.next({200, "{}", {}, StubAnswer::How::hold});
  stage.message->show("a");
  REQUIRE(stage.runs_until(1));
  stage.message->show("b");
  stage.message->show("c");
  stage.reactor.poll();
  CHECK(stage.discord.requests().size() == 1);
  stage.discord.release();
  stage.run();
  CHECK(stage.said() == std::vector<std::string>{"a", "c"});
}

TEST_CASE(
    "discord message: told to wait, it waits as long as it was told, and then says the last") {
  MessageStage stage;
  stage.discord.next({429,
                      R"({"message":"You are being rate limited.","retry_after":0.3})",
                      {{"Retry-After", "1"}}});
  stage.message->show("a");
  REQUIRE(stage.runs_until(1));
  const SteadyTime refused = steady_now();
  stage.message->show("b");
  stage.run();
  CHECK(stage.said() == std::vector<std::string>{"a", "b"});
  // The longer of the two times that it names.
  CHECK(steady_now() - refused >= milliseconds{1000});
}

TEST_CASE("discord message: after the last permitted request it waits for the bucket") {
  MessageStage stage;
  stage.discord.next(
      {200, "{}", {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset-After", "0.4"}}});
  stage.message->show("a");
  REQUIRE(stage.runs_until(1));
  const SteadyTime told = steady_now();
  stage.message->show("b");
  stage.run();
  CHECK(steady_now() - told >= milliseconds{400});
  CHECK(stage.said() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("discord message: a 404 before Discord has read the first answer is tried again") {
  MessageStage stage;
  stage.discord.next({404, R"({"message":"Unknown Webhook","code":10015})"});
  stage.discord.next({404, R"({"message":"Unknown Webhook","code":10015})"});
  stage.message->show("a");
  stage.run();
  CHECK(stage.said() == std::vector<std::string>{"a", "a", "a"});
  CHECK(stage.asked(2) == edit);
}

TEST_CASE("discord message: a token that is gone moves it into the channel, as one message there") {
  for (const int status : {401, 404}) {
    MessageStage stage;
    stage.message->show("a");
    REQUIRE(stage.runs_until(1));
    stage.discord.next({status, R"({"message":"Invalid Webhook Token","code":50027})"});
    stage.message->show("b");
    stage.run();
    stage.message->show("c");
    stage.run();
    CHECK(stage.said() == std::vector<std::string>{"a", "b", "b", "c"});
    CHECK(stage.asked(2) == "POST /webhooks/7/secret-channel?thread_id=5&wait=true");
    CHECK(stage.asked(3) == "PATCH /webhooks/7/secret-channel/messages/900?thread_id=5");
    CHECK(stage.log.count("discord_message_moved") == 1);
  }
}

TEST_CASE("discord message: when 15 minutes are nearly over it moves without asking") {
  MessageTimes times = MessageStage::quick();
  times.token_lasts = milliseconds{1000};  // the first edit has to be in time
  times.between_edits = milliseconds{1010};
  MessageStage stage{times};
  stage.message->show("a");
  REQUIRE(stage.runs_until(1));
  stage.message->show("b");
  stage.run();
  CHECK(stage.asked(0) == edit);
  CHECK(stage.asked(1).starts_with("POST /webhooks/7/"));
  CHECK(stage.discord.requests().size() == 2);
}

TEST_CASE("discord message: without a channel it is lost, once, with the remedy in the log") {
  MessageStage stage{MessageStage::quick(), false};
  stage.message->show("a");
  REQUIRE(stage.runs_until(1));
  stage.discord.otherwise({401, "{}"});
  stage.message->show("b");
  stage.run();
  stage.message->show("c");
  stage.run();
  CHECK(stage.message->is_lost());
  CHECK(stage.discord.requests().size() == 2);
  CHECK(stage.log.text().find("notify.discord.webhook_url") != std::string::npos);
}

TEST_CASE("discord message: a channel that does not exist is asked once and never again") {
  MessageStage stage;
  stage.message->show("a");
  REQUIRE(stage.runs_until(1));
  stage.discord.otherwise({404, "{}"});
  stage.message->show("b");
  stage.run();
  stage.message->show("c");
  stage.run();
  CHECK(stage.message->is_lost());
  CHECK(stage.discord.requests().size() == 3);
}

TEST_CASE("discord message: a Discord in trouble is asked again, and given up in the end") {
  MessageStage stage;
  stage.discord.next({500, "{}"});
  stage.discord.next({0, "", {}, StubAnswer::How::reset});
  stage.message->show("a");
  stage.run();
  CHECK(stage.said() == std::vector<std::string>{"a", "a", "a"});
  stage.discord.otherwise({502, "{}"});
  stage.message->show("b");
  stage.run();
  CHECK(stage.message->is_lost());
  CHECK(stage.discord.requests().size() == 3 + LiveMessage::attempts_max);
}

TEST_CASE("discord message: one that Discord refuses is not sent again, the next one is") {
  MessageStage stage;
  stage.discord.next({400, R"({"message":"Invalid Form Body","code":50035})"});
  stage.message->show("a");
  REQUIRE(stage.runs_until(1));
  stage.message->show("b");
  stage.run();
  CHECK(stage.said() == std::vector<std::string>{"a", "b"});
  CHECK(stage.log.has(LogLevel::error, "discord_message_refused"));
}

}  // namespace rollbackd::engine
