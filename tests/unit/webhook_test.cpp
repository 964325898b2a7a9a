#include "engine/actions/webhook.hpp"

#include <chrono>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/actions/standard_webhook.hpp"
#include "tests/support/github_stage.hpp"
#include "tests/support/http_stub.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::engine {
namespace {

using rules::DeployOutcome;
using How = tests::StubAnswer::How;

// base64 of 0123456789abcdef0123456789abcdef
const std::string secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

struct WebhookStage {
  WebhookStage() {
    settings.url = Secret{stub.url("/hooks/VerySecretPath")};
    settings.secret = Secret{secret};
  }
  ~WebhookStage() {
    std::string told = log.text();
    for (const auto& ended : inbox.all<rules::DeployEnded>()) {
      told += ended.detail;
    }
    CHECK(told.find("MDEyMzQ1") == std::string::npos);
    CHECK(told.find("VerySecretPath") == std::string::npos);
  }
  WebhookStage(const WebhookStage&) = delete;
  WebhookStage& operator=(const WebhookStage&) = delete;

  rules::DeployEnded deploy(const rules::Deploy& deploy = tests::a_deploy()) {
    webhook.deploy(deploy);
    REQUIRE(tests::run_until(reactor, [&] { return !inbox.all<rules::DeployEnded>().empty(); }));
    REQUIRE(inbox.all<rules::DeployEnded>().size() == 1);
    CHECK(webhook.lost_with_us() == 0);
    return inbox.all<rules::DeployEnded>().front();
  }

  tests::HttpStub stub;
  asio::io_context reactor;
  HttpClient client{reactor.get_executor()};
  tests::FixedClock clock{tests::claim_time};
  tests::RecordingInbox inbox;
  tests::RecordingLog log;
  WebhookSettings settings;
  Webhook webhook{client, clock, inbox, log, [this](const rules::Service&) { return settings; }};
};

TEST_CASE("webhook: the signature is the one that others' libraries make") {
  const auto headers = webhook_headers(Secret{secret}, "msg_1", rules::instant_of(1'795'377'600),
                                       R"({"type":"rollback.succeeded"})");
  REQUIRE(headers);
  CHECK(*headers ==
        HttpHeaders{{"webhook-id", "msg_1"},
                    {"webhook-timestamp", "1795377600"},
                    {"webhook-signature", "v1,YSnlI6LD/IdzZp12HA7JvHMOg+BTK+bqnc+duD1+LDg="}});
}

TEST_CASE("webhook: one signed request says all of the rollback") {
  WebhookStage s;
  s.stub.next({204, ""});
  auto deploy = tests::a_deploy();
  deploy.reason = "12 errors";
  CHECK(s.deploy(deploy).outcome == DeployOutcome::succeeded);
  REQUIRE(s.stub.requests().size() == 1);
  const auto request = s.stub.requests().front();
  CHECK(request.method == "POST");
  CHECK(request.target == "/hooks/VerySecretPath");
  CHECK(request.header("content-type") == "application/json");
  CHECK(request.header("webhook-id") == tests::event_id.text());
  const auto headers =
      webhook_headers(Secret{secret}, tests::event_id.text(), tests::claim_time, request.body);
  CHECK(request.header("webhook-timestamp") == (*headers)[1].second);
  CHECK(request.header("webhook-signature") == (*headers)[2].second);
  const auto wanted = nlohmann::json::parse(R"({"type":"rollback.deploy",
      "timestamp":"2025-12-15T12:00:00.000000Z","data":{
      "event_id":"11111111-1111-1111-1111-111111111111","environment":"production",
      "service":"api","deployment_id":"22222222-2222-2222-2222-222222222222",
      "version":"v2.5.2","git_commit":"a7f3b29","reason":"12 errors",
      "rolled_back":"33333333-3333-3333-3333-333333333333"}})");
  CHECK(nlohmann::json::parse(request.body) == wanted);
}

TEST_CASE("webhook: 2xx is deployed, every other answer is not, and says what to look at") {
  struct Row {
    int status;
    DeployOutcome outcome;
    const char* words;
  };
  for (const Row& row : std::initializer_list<Row>{
           {200, DeployOutcome::succeeded, "answered 200"},
           {202, DeployOutcome::succeeded, "answered 202"},
           {302, DeployOutcome::failed, "a redirect"},
           {307, DeployOutcome::failed, "a redirect"},
           {400, DeployOutcome::failed, "log"},
           {401, DeployOutcome::failed, "rollback.webhook.secret"},
           {404, DeployOutcome::failed, "rollback.webhook.url"},
           {410, DeployOutcome::failed, "no more"},
           {429, DeployOutcome::failed, "too often"},
           {500, DeployOutcome::failed, "log"},
           {503, DeployOutcome::failed, "log"},
       }) {
    WebhookStage s;
    s.stub.next({row.status, "said", {{"Location", s.stub.url("/elsewhere")}}});
    const auto ended = s.deploy();
    CHECK(ended.outcome == row.outcome);
    CHECK(ended.detail.find(row.words) != std::string::npos);
    CHECK(ended.detail.find("said") != std::string::npos);
    CHECK(s.stub.requests().size() == 1);
  }
}

TEST_CASE("webhook: what was not sent may be asked again, what has no answer is unknown") {
  const tests::ClosedPort closed;
  WebhookStage unreachable;
  unreachable.settings.url = Secret{closed.url("/hooks/VerySecretPath")};
  const auto refused = unreachable.deploy();
  CHECK(refused.outcome == DeployOutcome::refused);
  CHECK(refused.retry_after == rules::seconds{1});
  for (const How how : {How::close, How::reset, How::cut, How::raw, How::hold}) {
    WebhookStage s;
    s.settings.timeout = rules::Duration{200'000};
    tests::StubAnswer answer;
    answer.how = how;
    answer.body = "half of this";
    s.stub.next(answer);
    CHECK(s.deploy().outcome == DeployOutcome::unknown);
    CHECK(s.stub.requests().size() == 1);
  }
}

TEST_CASE("webhook: a receiver that says back what it was sent tells nobody a secret") {
  WebhookStage s;
  s.stub.next({500, "no route for /hooks/VerySecretPath"});
  CHECK(s.deploy().outcome == DeployOutcome::failed);
  WebhookStage with_secret;
  with_secret.stub.next({500, "bad key " + secret});
  CHECK(with_secret.deploy().outcome == DeployOutcome::failed);
}

TEST_CASE("webhook: what cannot be signed or sent safely is not sent") {
  WebhookStage s;
  auto deploy = tests::a_deploy();
  SUBCASE("no url") { s.settings.url = Secret{}; }
  SUBCASE("no prefix") { s.settings.secret = Secret{secret.substr(6)}; }
  SUBCASE("too short") { s.settings.secret = Secret{"whsec_MDEyMzQ1Njc4OWFiY2RlZg=="}; }
  SUBCASE("more after the padding") {
    s.settings.secret = Secret{"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZW=Y"};
  }
  SUBCASE("no base64") { s.settings.secret = Secret{"whsec_" + std::string(44, '!')}; }
  SUBCASE("an unsafe value") { deploy.git_commit = "-x"; }
  CHECK(s.deploy(deploy).outcome == DeployOutcome::not_started);
  CHECK(s.stub.requests().empty());
}

TEST_CASE("webhook: of one that a crash interrupted nobody knows what became of it") {
  WebhookStage s;
  s.webhook.follow(tests::a_follow());
  REQUIRE(s.inbox.all<rules::DeployEnded>().size() == 1);
  CHECK(s.inbox.all<rules::DeployEnded>()[0].outcome == DeployOutcome::unknown);
}

TEST_CASE("webhook: while one runs it is not asked again, and to follow it is to wait") {
  WebhookStage s;
  tests::StubAnswer held;
  held.how = How::hold;
  s.stub.next(held);
  s.webhook.deploy(tests::a_deploy());
  s.webhook.deploy(tests::a_deploy());
  s.webhook.follow(tests::a_follow());
  CHECK(s.inbox.inputs().empty());
  CHECK(s.webhook.running() == std::vector{tests::event_id});
  CHECK(s.stub.wait_for_requests(1));
  s.stub.release();
  REQUIRE(tests::run_until(s.reactor, [&] { return !s.inbox.all<rules::DeployEnded>().empty(); }));
  CHECK(s.inbox.all<rules::DeployEnded>()[0].outcome == DeployOutcome::succeeded);
  CHECK(s.stub.requests().size() == 1);
}

}  // namespace
}  // namespace rollbackd::engine
