// What people and pipelines ask of the API, over a desk and an archive that the test answers for.

#include <doctest/doctest.h>

#include "engine/http/api.hpp"
#include "engine/http/event_stream.hpp"
#include "tests/support/api_kit.hpp"
#include "tests/support/fixed_clock.hpp"
#include "tests/support/http_token.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::engine {
namespace {

using namespace tests;  // NOLINT(google-build-using-namespace)
using Kind = rules::Answer::Kind;

struct PeopleStage {
  EmptyView view;
  FixedClock clock;
  HandDesk desk;
  FixedArchive archive;
  asio::io_context reactor;
  std::optional<std::string> leader_elsewhere;
  Api api{
      {view, clock, desk, archive, reactor.get_executor(), [](Exposition) { return std::string{}; },
       [] { return Readiness{}; }, [this] { return leader_elsewhere; }},
      {token_named("all", {Scope::read, Scope::record, Scope::rollback, Scope::override}),
       token_named("some", {Scope::rollback})}};
  std::vector<ApiResponse> answers;

  void ask(std::string_view method, std::string_view path, std::string body = "",
           std::string_view token = "all", std::string_view query = "",
           std::string_view prefer = "") {
    ApiRequest request;
    request.method = method;
    request.path = "/auto-rollback" + std::string{path};
    request.query = query;
    request.prefer = prefer;
    request.authorization = "Bearer " + std::string{token};
    request.body = std::move(body);
    api.answer(std::move(request),
               [this](ApiResponse response) { answers.push_back(std::move(response)); });
  }
  ApiResponse answer(std::string_view method, std::string_view path, std::string body = "",
                     std::string_view token = "all", std::string_view query = "") {
    ask(method, path, std::move(body), token, query);
    REQUIRE(answers.size() == 1);
    ApiResponse only = answers.front();
    answers.clear();
    return only;
  }
  void settle(Kind kind) { desk.at_once = rules::Answer{0, kind, a_rollback(), {}}; }
};

bool holds(const ApiResponse& response, std::string_view part) {
  return response.body.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("api: execute answers each refusal in the words of the original") {
  PeopleStage stage;
  for (const char* path : {"", "/"}) {
    CHECK(stage.answer("POST", path, "{}").body ==
          R"({"error":"Missing required fields: deployment_id, trigger_reason"})");
  }
  CHECK(stage.desk.asked.empty());
  const std::vector<std::tuple<Kind, int, std::string>> cases{
      {Kind::unknown_deployment, 404, R"({"error":"Deployment not found"})"},
      {Kind::rejected, 403, R"("error":"Constitutional validation failed")"},
      {Kind::no_target, 404, R"("error":"No valid rollback target found")"},
      {Kind::under_way, 409, R"("event_id":")" + some_event},
      {Kind::paused, 409, R"("error":"Paused")"},
      {Kind::unavailable, 503, R"("error":"Not ready")"},
      {Kind::dry_run, 200, R"("dry_run":true)"},
  };
  for (const auto& [kind, status, part] : cases) {
    stage.settle(kind);
    const ApiResponse response = stage.answer("POST", "", execute_body);
    CAPTURE(response.body);
    CHECK(response.status == status);
    CHECK(holds(response, part));
  }
  CHECK(stage.desk.last<rules::ManualRequest>().reason == "wrong prices");
}

TEST_CASE("api: what memory does not know is not there only when the database says so too") {
  const std::string about = R"({"event_id":")" + some_event + R"(","reason":"yes"})";
  const std::string dry = execute_body.substr(0, execute_body.size() - 1) + R"(,"dry_run":true})";
  const std::vector<std::tuple<Kind, std::string, std::string>> cases{
      {Kind::unknown_deployment, "", execute_body},
      {Kind::no_target, "", dry},
      {Kind::unknown_event, "/approve", about},
      {Kind::unknown_event, "/abort", about},
      {Kind::no_breaker, "/resume", R"({"reason":"ok","breaker":"production"})"},
      {Kind::accepted, "/check", R"({"deployment_id":")" + some_deployment + R"("})"},
  };
  for (const auto& [kind, path, body] : cases) {
    const std::string& asked = path;
    CAPTURE(asked);
    PeopleStage stage;
    stage.settle(kind);
    CHECK(stage.answer("POST", path, body).status == 404);
    stage.archive.answer = Error{"no connection", "start it"};
    const ApiResponse unknown = stage.answer("POST", path, body);
    CHECK(unknown.status == 503);
    CHECK(holds(unknown, "The database cannot be read"));
    CHECK(holds(unknown, "start it"));
  }
  // It was recorded a moment ago.
  for (const auto& [kind, path, body] : {cases.front(), cases.back()}) {
    PeopleStage stage;
    stage.settle(kind);
    stage.archive.answer = std::optional<std::string>{R"([{"id":1}])"};
    const ApiResponse early = stage.answer("POST", path, body);
    CHECK(early.status == 503);
    CHECK(holds(early, "not watched yet"));
  }
}

TEST_CASE("api: execute answers when the command has ended, and with wait when all has") {
  for (const bool waits : {false, true}) {
    PeopleStage stage;
    stage.settle(Kind::accepted);
    stage.ask("POST", "", execute_body, "all", "", waits ? "wait=60" : "");
    CHECK(stage.answers.empty());
    rules::Rollback state = a_rollback();
    state.claimed_at = rules::Instant{};
    state.step(rules::StepName::trigger_deploy).status = rules::StepStatus::success;
    stage.desk.tell(state);
    CHECK(stage.answers.empty());
    state.step(rules::StepName::await_deploy).status = rules::StepStatus::success;
    stage.desk.tell(state);
    CHECK(stage.answers.size() == (waits ? 0 : 1));
    state.status = rules::RollbackStatus::success;
    stage.desk.tell(state);
    REQUIRE(stage.answers.size() == 1);
    CHECK(stage.answers[0].status == 200);
    CHECK(holds(stage.answers[0], R"("success":true,"event_id":")" + some_event));
    CHECK(holds(stage.answers[0], waits ? R"("status":"success")" : R"("status":"in_progress")"));
  }
}

TEST_CASE("api: an execution that fails is 500 and one that is stopped 409, each with its event") {
  const std::vector<std::pair<rules::RollbackStatus, int>> ends{
      {rules::RollbackStatus::failed, 500}, {rules::RollbackStatus::aborted, 409}};
  for (const auto& [status, code] : ends) {
    PeopleStage stage;
    stage.settle(Kind::accepted);
    stage.ask("POST", "", execute_body);
    rules::Rollback state = a_rollback();
    state.status = status;
    state.ended_by = rules::Reason::superseded;
    stage.desk.tell(state);
    REQUIRE(stage.answers.size() == 1);
    CHECK(stage.answers[0].status == code);
    CHECK(holds(stage.answers[0], some_event));
    CHECK(holds(stage.answers[0], "superseded"));
  }
}

TEST_CASE("api: an override wants its scope, and a name that is one") {
  PeopleStage stage;
  stage.settle(Kind::dry_run);
  const std::string with = execute_body.substr(0, execute_body.size() - 1) + R"(,"override":)";
  CHECK(stage.answer("POST", "", with + R"(["migration"]})", "some").status == 403);
  CHECK(stage.answer("POST", "", with + R"(["nonsense"]})").status == 400);
  CHECK(stage.answer("POST", "", with + R"("migration"})").status == 400);
  CHECK(stage.answer("POST", "", with + R"(["migration"]})").status == 200);
  CHECK(stage.desk.last<rules::ManualRequest>().overrides == std::vector{rules::Reason::migration});
}

TEST_CASE("api: approve, abort, pause and resume say who and why") {
  PeopleStage stage;
  stage.settle(Kind::accepted);
  const std::string about = R"({"event_id":")" + some_event + R"(","reason":"yes"})";
  CHECK(stage.answer("POST", "/approve", about).status == 200);
  CHECK(stage.desk.last<rules::ApproveRequest>().by == "all");
  CHECK(stage.answer("POST", "/abort", about).status == 200);
  CHECK(stage.desk.last<rules::AbortRequest>().reason == "yes");
  CHECK(stage.answer("POST", "/abort", R"({"event_id":"x","reason":"y"})").status == 400);
  CHECK(stage.answer("POST", "/pause", "{}").status == 400);
  CHECK(stage.answer("POST", "/pause", R"({"reason":"work"})").status == 200);
  CHECK(stage.desk.last<rules::PauseRequest>().on);
  CHECK(stage.answer("POST", "/resume", R"({"reason":"done"})").status == 200);
  CHECK_FALSE(stage.desk.last<rules::PauseRequest>().on);
  const std::string breaker = R"({"reason":"ok","breaker":"production"})";
  CHECK(stage.answer("POST", "/resume", breaker, "some").status == 403);
  CHECK(stage.answer("POST", "/resume", breaker).status == 200);
  CHECK(stage.desk.last<rules::CloseBreakerRequest>().environment == "production");
  stage.settle(Kind::dispatched);
  CHECK(holds(stage.answer("POST", "/abort", about), "Already dispatched"));
}

TEST_CASE("api: a standby names the leader to who wants to act, and answers who reads") {
  PeopleStage stage;
  stage.leader_elsewhere = "db2:77/rollbackd";
  const ApiResponse refused = stage.answer("POST", "", execute_body);
  CHECK(refused.status == 503);
  CHECK(holds(refused, "db2:77/rollbackd leads"));
  CHECK(stage.answer("GET", "/history").status == 200);
}

TEST_CASE("api: history and deployments take what they are asked for, within limits") {
  PeopleStage stage;
  CHECK(stage.answer("GET", "/history").body == R"({"rollbacks":[]})");
  CHECK(stage.archive.histories.back().limit == 10);
  CHECK(stage.answer("GET", "/history", "", "all", "limit=3&service=a%2Fb&before=7").status == 200);
  CHECK(stage.archive.histories.back().limit == 3);
  CHECK(stage.archive.histories.back().service == "a/b");
  CHECK(stage.archive.histories.back().before == 7);
  for (const char* query : {"limit=0", "limit=1001", "limit=x", "before=y", "deployment_id=z"}) {
    CHECK(stage.answer("GET", "/history", "", "all", query).status == 400);
  }
  CHECK(holds(stage.answer("GET", "/deployments"), R"("deployments":[])"));
  stage.archive.answer = Error{"no connection", "start it"};
  CHECK(stage.answer("GET", "/history").status == 503);
}

TEST_CASE("api: a deployment is recorded, and a status that a rollback keeps is 409") {
  PeopleStage stage;
  stage.archive.answer = std::optional<std::string>{R"({"deployment_id":"x","status":"failed"})"};
  const std::string good =
      R"({"environment":"production","version":"v1","git_commit":"a","git_branch":"main"})";
  CHECK(stage.answer("POST", "/deployments", good).status == 201);
  CHECK(stage.archive.recorded.back().service == "app");
  CHECK(stage.archive.recorded.back().recorded_by == "all");
  CHECK(stage.answer("POST", "/deployments", R"({"version":"v1"})").status == 400);
  CHECK(stage.answer("PATCH", "/deployments/" + some_deployment, R"({"status":"failed"})").status ==
        200);
  CHECK(
      stage.answer("PATCH", "/deployments/" + some_deployment, R"({"status":"success"})").status ==
      409);
  CHECK(stage.answer("PATCH", "/deployments/" + some_deployment, R"({"status":"odd"})").status ==
        400);
  CHECK(stage.answer("PATCH", "/deployments/x", R"({"status":"failed"})").status == 400);
}

TEST_CASE("api: one event is found, or is not, and its stream ends with its last state") {
  PeopleStage stage;
  stage.archive.answer = std::optional<std::string>{R"({"status":"success"})"};
  CHECK(stage.answer("GET", "/events/" + some_event).status == 200);
  const ApiResponse over = stage.answer("GET", "/events/" + some_event + "/stream");
  CHECK(over.content_type == "text/event-stream");
  CHECK(over.body == "event: end\ndata: {\"status\":\"success\"}\n\n");
  CHECK(over.stream == nullptr);

  stage.archive.answer = std::optional<std::string>{R"({"status":"in_progress"})"};
  const ApiResponse live = stage.answer("GET", "/events/" + some_event + "/stream");
  REQUIRE(live.stream != nullptr);
  std::vector<std::optional<std::string>> pieces;
  const auto take = [&](std::optional<std::string> piece) { pieces.push_back(std::move(piece)); };
  live.stream->next(take);
  rules::Rollback state = a_rollback();
  stage.desk.tell(state);
  REQUIRE(pieces.size() == 1);
  CHECK(pieces[0]->starts_with("event: step\ndata: {"));
  state.status = rules::RollbackStatus::success;
  stage.desk.tell(state);
  live.stream->next(take);
  live.stream->next(take);
  REQUIRE(pieces.size() == 3);
  CHECK(pieces[1]->starts_with("event: end\n"));
  CHECK_FALSE(pieces[2].has_value());

  stage.archive.answer = std::optional<std::string>{};
  CHECK(stage.answer("GET", "/events/" + some_event).status == 404);
  CHECK(stage.answer("GET", "/events/x").status == 400);
}

TEST_CASE("api: a stream ends with the row when the rollback ends and nobody here is told of it") {
  using Text = FixedArchive::Text;
  const std::vector<std::pair<Text, std::optional<std::string>>> cases{
      {std::optional<std::string>{R"({"status":"success"})"},
       "event: end\ndata: {\"status\":\"success\"}\n\n"},
      {std::optional<std::string>{}, std::nullopt}};
  for (const auto& [row, end] : cases) {
    PeopleStage stage;
    const auto stream = std::make_shared<EventStream>(
        stage.reactor.get_executor(), stage.desk, stage.archive, *rules::EventId::parse(some_event),
        std::chrono::milliseconds{1});
    const auto next = [&] {
      std::vector<std::optional<std::string>> pieces;
      stream->next([&](std::optional<std::string> piece) { pieces.push_back(std::move(piece)); });
      stage.reactor.restart();
      stage.reactor.run();
      REQUIRE(pieces.size() == 1);
      return pieces.front();
    };
    const std::string comment = ": still waiting\n\n";
    stage.archive.answer = std::optional<std::string>{R"({"status":"in_progress"})"};
    CHECK(next() == comment);
    stage.archive.answer = Error{"no connection", "start it"};
    CHECK(next() == comment);
    stage.archive.answer = row;
    CHECK(next() == end);
    CHECK(next() == std::nullopt);
  }
}

}  // namespace rollbackd::engine
