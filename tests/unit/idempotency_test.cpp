// The same request twice, over a desk and an archive that the test answers for.

#include <doctest/doctest.h>

#include "engine/http/api.hpp"
#include "tests/support/api_kit.hpp"
#include "tests/support/fixed_clock.hpp"
#include "tests/support/http_token.hpp"

namespace rollbackd::engine {
namespace {

using namespace tests;  // NOLINT(google-build-using-namespace)
using Kind = rules::Answer::Kind;

struct KeyStage {
  EmptyView view;
  FixedClock clock;
  HandDesk desk;
  FixedArchive archive;
  asio::io_context reactor;
  Api api{
      {view, clock, desk, archive, reactor.get_executor(), [](Exposition) { return std::string{}; },
       [] { return Readiness{}; }, [] { return std::nullopt; }},
      {token_named("all", {Scope::read, Scope::record, Scope::rollback, Scope::override}),
       token_named("other", {Scope::rollback})}};
  std::vector<ApiResponse> answers;

  void ask(const std::string& key, std::string_view path, const std::string& body,
           std::string_view token = "all") {
    ApiRequest request;
    request.method = "POST";
    request.path = "/auto-rollback" + std::string{path};
    request.authorization = "Bearer " + std::string{token};
    request.idempotency_key = key;
    request.body = body;
    api.answer(std::move(request),
               [this](ApiResponse response) { answers.push_back(std::move(response)); });
  }
  ApiResponse answer(const std::string& key, std::string_view path, const std::string& body,
                     std::string_view token = "all") {
    answers.clear();
    ask(key, path, body, token);
    REQUIRE(answers.size() == 1);
    return answers.front();
  }
  void settle(Kind kind) { desk.at_once = rules::Answer{0, kind, a_rollback(), {}}; }
};

}  // namespace

TEST_CASE("idempotency: the same request gets the same answer, and is done once") {
  KeyStage stage;
  stage.settle(Kind::accepted);
  const std::string body = R"({"event_id":")" + some_event + R"(","reason":"yes"})";
  const ApiResponse first = stage.answer("k1", "/approve", body);
  CHECK(first.status == 200);
  CHECK(header(first, "Idempotency-Replayed").empty());
  CHECK(stage.desk.last<rules::ApproveRequest>().sender.key == "k1");
  CHECK(stage.desk.last<rules::ApproveRequest>().sender.token == "all");
  const ApiResponse second = stage.answer("k1", "/approve", body);
  CHECK(second.status == 200);
  CHECK(second.body == first.body);
  CHECK(header(second, "Idempotency-Replayed") == "true");
  CHECK(stage.desk.asked.size() == 1);
  // Without a key, with another one, or of another token it is another request.
  static_cast<void>(stage.answer("", "/approve", body));
  static_cast<void>(stage.answer("k2", "/approve", body));
  static_cast<void>(stage.answer("k1", "/approve", body, "other"));
  CHECK(stage.desk.asked.size() == 4);
}

TEST_CASE("idempotency: a key that came with another body, or for something else, is 422") {
  KeyStage stage;
  stage.settle(Kind::accepted);
  static_cast<void>(stage.answer("k", "/pause", R"({"reason":"work"})"));
  for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
           {"/pause", R"({"reason":"other work"})"}, {"/resume", R"({"reason":"work"})"}}) {
    const ApiResponse refused = stage.answer("k", path, body);
    CHECK(refused.status == 422);
    CHECK(refused.body.find("new key") != std::string::npos);
  }
  CHECK(stage.desk.asked.size() == 1);
}

TEST_CASE("idempotency: while the first is under way the second is 409, and another body 422") {
  KeyStage stage;
  stage.ask("k", "", execute_body);
  CHECK(stage.answers.empty());
  stage.ask("k", "", execute_body);
  stage.ask("k", "", "{}");
  REQUIRE(stage.answers.size() == 2);
  CHECK(stage.answers[0].status == 409);
  CHECK(header(stage.answers[0], "Retry-After") == "1");
  CHECK(stage.answers[1].status == 422);
  REQUIRE(stage.desk.waiting.size() == 1);
  stage.desk.waiting[0]({0, Kind::rejected, a_rollback(), {}});
  CHECK(stage.answers.size() == 3);
  CHECK(stage.answer("k", "", execute_body).status == 403);
  CHECK(stage.desk.asked.size() == 1);
}

TEST_CASE("idempotency: what was refused without a trace may be asked again with the same key") {
  KeyStage stage;
  for (const Kind kind : {Kind::unavailable, Kind::paused, Kind::unknown_deployment}) {
    stage.settle(kind);
    CHECK(stage.answer("k", "", execute_body).status >= 404);
  }
  CHECK(stage.desk.asked.size() == 3);
  CHECK(stage.archive.kept.empty());
  static_cast<void>(stage.answer("k", "", "{"));
  stage.settle(Kind::accepted);
  stage.ask("k", "", execute_body);
  CHECK(stage.desk.asked.size() == 4);
}

TEST_CASE("idempotency: an answer that was lost with its daemon is told from the rollback's row") {
  KeyStage stage;
  stage.settle(Kind::accepted);
  stage.ask("k", "", execute_body);
  const rules::Sender sender = stage.desk.last<rules::ManualRequest>().sender;
  KeyStage next;
  next.archive.kept[{"all", "k"}] = {sender.fingerprint, rules::EventId::parse(some_event), {}, ""};
  const std::string row = R"({"event_id":")" + some_event +
                          R"(","trigger_type":"manual","status":"success","rollback_plan":)"
                          R"({"target":null,"evidence":{},"replacement_id":")" +
                          some_deployment +
                          R"("},"rollback_steps":[)"
                          R"({"status":"success","error":null})";
  std::string steps;
  for (int i = 1; i < 8; ++i) {
    steps += R"(,{"status":"success","error":null})";
  }
  next.archive.answer = std::optional<std::string>{
      row + steps + R"(],"constitutional_validation":{"checks":[]},"metadata":{}})"};
  const ApiResponse told = next.answer("k", "", execute_body);
  CAPTURE(told.body);
  CHECK(told.status == 200);
  CHECK(told.body.find(R"("status":"success")") != std::string::npos);
  CHECK(told.body.find(some_event) != std::string::npos);
  CHECK(header(told, "Idempotency-Replayed") == "true");
  CHECK(next.desk.asked.empty());
}

TEST_CASE("idempotency: without the archive nothing is done, for it may have been done before") {
  KeyStage stage;
  stage.settle(Kind::accepted);
  stage.archive.recall_error = Error{"the database is away", "wait"};
  const ApiResponse refused = stage.answer("k", "/pause", R"({"reason":"work"})");
  CHECK(refused.status == 503);
  CHECK(header(refused, "Retry-After") == "1");
  CHECK(stage.desk.asked.empty());
  stage.archive.recall_error.reset();
  CHECK(stage.answer("k", "/pause", R"({"reason":"work"})").status == 200);
}

TEST_CASE("idempotency: a key that is too long, or no plain text, is 400") {
  KeyStage stage;
  stage.settle(Kind::accepted);
  for (const std::string& key :
       {std::string(256, 'k'), std::string{"a b"}, std::string{"a\tb"}, std::string{"k\xc3\xa4"},
        std::string{"a\x7f"}, std::string{"a\x01"}}) {
    const ApiResponse refused = stage.answer(key, "/pause", R"({"reason":"work"})");
    CHECK(refused.status == 400);
    CHECK(refused.body.find("Invalid Idempotency-Key") != std::string::npos);
  }
  CHECK(stage.desk.asked.empty());
  CHECK(stage.answer(std::string(255, 'k'), "/pause", R"({"reason":"work"})").status == 200);
}

TEST_CASE("idempotency: a deployment is recorded once, and its key goes to the archive with it") {
  KeyStage stage;
  stage.archive.answer = std::optional<std::string>{R"({"deployment_id":"x"})"};
  const std::string body = R"({"environment":"e","version":"v","git_commit":"c","git_branch":"b"})";
  CHECK(stage.answer("k", "/deployments", body).status == 201);
  const ApiResponse again = stage.answer("k", "/deployments", body);
  CHECK(again.status == 201);
  CHECK(header(again, "Idempotency-Replayed") == "true");
  REQUIRE(stage.archive.recorded.size() == 1);
  CHECK(stage.archive.recorded[0].sender.key == "k");
  CHECK(stage.archive.recorded[0].recorded_by == "all");
}

TEST_CASE("api: every route that changes something knows keys, and no GET changes anything") {
  KeyStage stage;
  for (const Route& route : stage.api.routes()) {
    const bool only_asks = route.method == "GET" || route.path == "/auto-rollback/check";
    CAPTURE(route.path);
    const bool knows_each = route.path == "/alertmanager";  // alerts have fingerprints
    CHECK((only_asks || knows_each || route.acts || !route.scope));
    CHECK_FALSE((route.method == "GET" && route.acts));
  }
}

TEST_CASE("api: whoever acts is told with the token, and a person by a uuid only") {
  KeyStage stage;
  stage.settle(Kind::accepted);
  const std::string who = R"(,"initiated_by":")" + some_event + R"("})";
  const std::string about = R"({"event_id":")" + some_event + R"(","reason":"yes")";
  static_cast<void>(stage.answer("", "/abort", about + who));
  CHECK(stage.desk.last<rules::AbortRequest>().by == some_event);
  CHECK(stage.desk.last<rules::AbortRequest>().sender.token == "all");
  static_cast<void>(stage.answer("", "/abort", about + "}"));
  CHECK(stage.desk.last<rules::AbortRequest>().by == "all");
  const std::size_t asked = stage.desk.asked.size();
  const std::string deployed =
      R"({"environment":"e","version":"v","git_commit":"c","git_branch":"b")";
  for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
           {"", execute_body.substr(0, execute_body.size() - 1)},
           {"/approve", about},
           {"/abort", about},
           {"/pause", R"({"reason":"x")"},
           {"/resume", R"({"reason":"x")"},
           {"/deployments", deployed}}) {
    const ApiResponse refused = stage.answer("", path, body + R"(,"initiated_by":"ann"})");
    CHECK(refused.status == 400);
    CHECK(refused.body.find("initiated_by has to be a uuid") != std::string::npos);
  }
  CHECK(stage.desk.asked.size() == asked);
  CHECK(stage.archive.recorded.empty());
  static_cast<void>(stage.answer("", "/deployments", deployed + who));
  REQUIRE(stage.archive.recorded.size() == 1);
  CHECK(stage.archive.recorded[0].initiated_by == some_event);
}

}  // namespace rollbackd::engine
