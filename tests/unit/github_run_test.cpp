#include "rules/limits.hpp"
#include "tests/support/github_stage.hpp"

// A run from the moment that it may exist: looked up, polled, cancelled, given up.
namespace rollbackd::engine {
namespace {

using rules::DeployOutcome;
using tests::a_follow;
using tests::GithubStage;

std::string page_of_others(std::size_t count) {
  std::string runs;
  for (std::size_t i = 0; i < count; ++i) {
    runs += std::string{i == 0 ? "" : ","} + R"({"id":)" + std::to_string(900 + i) +
            R"(,"status":"queued","conclusion":null,"display_title":"another"})";
  }
  return R"({"total_count":1000,"workflow_runs":[)" + runs + "]}";
}

TEST_CASE(
    "github: a run is looked up by its marker among those since five minutes before the claim") {
  GithubStage s;
  s.answers(204, "");
  s.lists({});
  s.lists({});
  s.lists({8});
  s.tells(8, "in_progress");
  s.tells(8, "completed", "success");
  CHECK(s.deploy().outcome == DeployOutcome::succeeded);
  CHECK(s.asked("GET",
                "/repos/acme/shop/actions/workflows/rollback.yml/runs?event=workflow_dispatch"
                "&created=%3E%3D2025-12-15T11%3A55%3A00Z&per_page=50&page=1") == 3);
  CHECK(s.dispatches() == 1);
}

TEST_CASE("github: all pages are looked at, until one is not full") {
  GithubStage s;
  s.answers(200, page_of_others(50));
  s.answers(200, page_of_others(50));
  s.lists({9});
  s.tells(9, "completed", "success");
  CHECK(s.follow(a_follow()).outcome == DeployOutcome::succeeded);
  CHECK(s.asked("GET", "page=3") == 1);
  CHECK(s.dispatches() == 0);
}

TEST_CASE("github: a run that never appears leaves the outcome unknown, with what to look at") {
  GithubStage s;
  s.settings.lookup = rules::Duration{100'000};
  s.answers(204, "");
  s.stub.otherwise({200, page_of_others(3)});
  const auto ended = s.deploy();
  CHECK(ended.outcome == DeployOutcome::unknown);
  CHECK(ended.detail.find("[rb:${{ inputs.rollback_id }}]") != std::string::npos);
  CHECK(s.asked("GET", "page=1") >= 4);
  CHECK(s.dispatches() == 1);
  CHECK(s.inbox.all<rules::DeployStarted>().empty());
}

TEST_CASE("github: a look-up goes on through troubles and says the last one") {
  GithubStage s;
  s.answers(500, "");
  s.answers(200, "{");
  s.answers(200, R"({"workflow_runs":7})");
  s.answers(301, "", {{"Location", "https://elsewhere.example/"}});
  s.lists({3});
  s.tells(3, "completed", "success");
  CHECK(s.follow(a_follow()).outcome == DeployOutcome::succeeded);

  GithubStage refused;
  refused.settings.lookup = rules::Duration{50'000};
  refused.stub.otherwise({401, R"({"message":"Bad credentials"})"});
  const auto ended = refused.follow(a_follow());
  CHECK(ended.outcome == DeployOutcome::unknown);
  CHECK(ended.detail.find("Bad credentials") != std::string::npos);
}

TEST_CASE("github: a look-up that is limited asks no more than it may") {
  GithubStage s;
  s.settings.lookup = rules::Duration{100'000};
  s.stub.otherwise({429, "{}", {{"Retry-After", "30"}}});
  CHECK(s.follow(a_follow()).outcome == DeployOutcome::unknown);
  CHECK(s.stub.requests().size() == 1);
}

TEST_CASE("github: of two runs with the marker the first is followed, and people are told") {
  GithubStage s;
  s.lists({100, 99});
  s.tells(99, "completed", "success");
  const auto ended = s.follow(a_follow());
  CHECK(ended.outcome == DeployOutcome::succeeded);
  CHECK(ended.detail.find("more than one run") != std::string::npos);
  CHECK(s.inbox.all<rules::DeployStarted>().at(0).run == "99");
  CHECK(s.log.has(LogLevel::warning, "github_two_runs"));
}

TEST_CASE("github: should the answer name the second of two runs, the first decides all the same") {
  GithubStage s;
  s.starts(100);
  s.tells(100, "completed", "success");
  s.lists({100, 99});
  s.tells(99, "in_progress");
  s.tells(99, "completed", "failure");
  const auto ended = s.deploy();
  CHECK(ended.outcome == DeployOutcome::failed);
  CHECK(ended.detail.find("run 99") != std::string::npos);
  CHECK(s.inbox.all<rules::DeployStarted>().back().run == "99");
}

TEST_CASE("github: what cannot be made sure of is believed after a few tries") {
  GithubStage s;
  s.starts(100);
  s.tells(100, "completed", "success");
  s.stub.otherwise({502, ""});
  CHECK(s.deploy().outcome == DeployOutcome::succeeded);
  CHECK(s.asked("GET", "page=1") == 3);
}

TEST_CASE("github: every conclusion has its outcome and its words") {
  struct Row {
    const char* conclusion;
    DeployOutcome outcome;
    const char* words;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"success", DeployOutcome::succeeded, "everything"},
           {"failure", DeployOutcome::failed, "its log says which"},
           {"cancelled", DeployOutcome::cancelled, "cancelled it"},
           {"timed_out", DeployOutcome::failed, "timeout-minutes"},
           {"startup_failure", DeployOutcome::failed, "workflow file has a mistake"},
           {"action_required", DeployOutcome::failed, "permission"},
           {"stale", DeployOutcome::failed, "runners"},
           {"neutral", DeployOutcome::failed, "did nothing"},
           {"skipped", DeployOutcome::failed, "(if:)"},
           {"brand_new", DeployOutcome::failed, "does not know"},
       }) {
    CAPTURE(row.conclusion);
    GithubStage s;
    for (const char* status :
         {"requested", "queued", "pending", "waiting", "in_progress", "novel"}) {
      s.tells(7, status);
    }
    s.tells(7, "completed", row.conclusion);
    s.lists({7});
    const auto ended = s.follow(a_follow("7"));
    CHECK(ended.outcome == row.outcome);
    CHECK(ended.detail.find(std::string{"ended with "} + row.conclusion) != std::string::npos);
    CHECK(ended.detail.find(row.words) != std::string::npos);
    CHECK(ended.detail.find("https://github.example/runs/7") != std::string::npos);
    CHECK(s.log.has(LogLevel::warning, "github_run_waiting"));
    CHECK(s.inbox.all<rules::DeployStarted>().empty());
  }
}

TEST_CASE("github: an unchanged run costs nothing") {
  GithubStage s;
  s.answers(200, GithubStage::run_text(7, "queued"), {{"ETag", "W/\"abc\""}});
  s.answers(304, "");
  s.answers(304, "");
  s.tells(7, "completed", "success");
  s.lists({7});
  CHECK(s.follow(a_follow("7")).outcome == DeployOutcome::succeeded);
  CHECK_FALSE(s.stub.requests().at(0).header("if-none-match").has_value());
  CHECK(s.stub.requests().at(1).header("if-none-match") == "W/\"abc\"");
  CHECK(s.stub.requests().at(3).header("if-none-match") == "W/\"abc\"");
}

TEST_CASE("github: polling goes on through every trouble, because the run does") {
  GithubStage s;
  s.answers(500, "");
  s.answers(404, R"({"message":"Not Found"})");
  s.answers(401, R"({"message":"Bad credentials"})");
  s.answers(304, "");
  s.answers(200, "[]");
  s.answers(200, R"({"id":7})");
  s.answers(200, R"({"id":7,"status":"completed","conclusion":null})");
  s.tells(8, "completed", "failure");  // another one's
  s.answers(307, "", {{"Location", "https://elsewhere.example/"}});
  tests::StubAnswer closed;
  closed.how = tests::StubAnswer::How::close;
  s.stub.next(closed);
  s.answers(429, "{}", {{"Retry-After", "1"}});
  s.tells(7, "completed", "success");
  s.lists({7});
  CHECK(s.follow(a_follow("7")).outcome == DeployOutcome::succeeded);
}

TEST_CASE("github: a limit while polling is heeded, and the deadline too") {
  GithubStage s;
  s.settings.timeout = rules::Duration{100'000};
  s.stub.otherwise({403, "{}", {{"Retry-After", "30"}}});
  const auto ended = s.follow(a_follow("7"));
  CHECK(ended.outcome == DeployOutcome::timed_out);
  CHECK(s.stub.requests().size() == 1);
}

TEST_CASE("github: a run past its deadline is given up, and what it waits for is said") {
  struct Row {
    const char* status;
    const char* words;
  };
  for (const Row& row : std::initializer_list<Row>{{"queued", "look at its runners"},
                                                   {"waiting", "approve it in GitHub"},
                                                   {"in_progress", "it is in_progress"}}) {
    GithubStage s;
    s.settings.timeout = rules::Duration{60'000};
    s.stub.otherwise({200, GithubStage::run_text(7, row.status)});
    const auto ended = s.follow(a_follow("7"));
    CHECK(ended.outcome == DeployOutcome::timed_out);
    CHECK(ended.detail.find(row.words) != std::string::npos);
    CHECK(ended.detail.find("run 7") != std::string::npos);
  }
}

TEST_CASE("github: a run that ended while nobody looked is believed, however long ago") {
  GithubStage s{tests::claim_time + rules::minutes{600}};
  s.tells(7, "completed", "success");
  CHECK(s.follow(a_follow("7")).outcome == DeployOutcome::succeeded);
  GithubStage running{tests::claim_time + rules::minutes{600}};
  running.tells(7, "in_progress");
  CHECK(running.follow(a_follow("7")).outcome == DeployOutcome::timed_out);
  // Not the second of two, which does nothing and says success.
  GithubStage second{tests::claim_time + rules::minutes{600}};
  second.tells(7, "completed", "success");
  second.lists({7, 6});
  second.tells(6, "completed", "failure");
  CHECK(second.follow(a_follow("7")).outcome == DeployOutcome::failed);
}

TEST_CASE("github: what has to end is cancelled, and told as it ended") {
  GithubStage s;
  s.starts(7);
  s.answers(202, "{}");  // unless the poll was faster
  s.stub.otherwise({200, GithubStage::run_text(7, "in_progress")});
  s.github.deploy(tests::a_github_deploy());
  REQUIRE(
      tests::run_until(s.reactor, [&] { return !s.inbox.all<rules::DeployStarted>().empty(); }));
  s.github.cancel({tests::event_id, {"production", "api"}, "github", "7"});
  REQUIRE(tests::run_until(s.reactor, [&] { return s.asked("POST", "/runs/7/cancel") > 0; }));
  s.stub.otherwise({200, GithubStage::run_text(7, "completed", "cancelled")});
  CHECK(s.end().outcome == DeployOutcome::cancelled);
}

TEST_CASE("github: a cancel that fails is tried again, and one that comes too late is none") {
  GithubStage s;
  s.answers(502, "");
  s.tells(7, "in_progress");
  s.answers(409, R"({"message":"Cannot cancel a workflow run that is completed."})");
  s.stub.otherwise({200, GithubStage::run_text(7, "completed", "success")});
  s.github.cancel({tests::event_id, {"production", "api"}, "github", "7"});
  CHECK(s.end().outcome == DeployOutcome::succeeded);
}

TEST_CASE("github: what turns up late is cancelled, all of it, and followed to its end") {
  GithubStage s;
  s.lists({});
  s.lists({});
  s.lists({31, 30});
  s.stub.always("/cancel", {202, ""});
  s.tells(30, "in_progress");
  s.tells(30, "in_progress");
  s.stub.otherwise({200, R"({"id":30,"status":"completed","conclusion":"cancelled"})"});
  const auto ended = s.follow(a_follow("", true));
  CHECK(ended.outcome == DeployOutcome::cancelled);
  CHECK(s.asked("POST", "/runs/30/cancel") + s.asked("POST", "/runs/31/cancel") >= 1);
  CHECK(s.dispatches() == 0);
}

TEST_CASE("github: a late one is looked for beyond lookup, and its deadline counts anew") {
  GithubStage s{tests::claim_time + rules::minutes{600}};
  s.settings.lookup = rules::Duration{20'000};
  for (int i = 0; i < 12; ++i) {
    s.lists({});
  }
  s.lists({30});
  s.stub.otherwise({200, GithubStage::run_text(30, "in_progress")});
  s.github.follow(a_follow("", true));
  REQUIRE(tests::run_until(s.reactor, [&] { return s.asked("GET", "/runs/30") > 2; }));
  CHECK(s.inbox.all<rules::DeployEnded>().empty());
  s.stub.otherwise({200, GithubStage::run_text(30, "completed", "success")});
  CHECK(s.end().outcome == DeployOutcome::succeeded);
}

TEST_CASE("github: one that is followed already and becomes late is cancelled once") {
  GithubStage s;
  s.stub.otherwise({200, GithubStage::run_text(7, "in_progress")});
  s.github.follow(a_follow("7"));
  REQUIRE(tests::run_until(s.reactor, [&] { return s.asked("GET", "/runs/7") > 1; }));
  s.stub.otherwise({202, GithubStage::run_text(7, "in_progress")});
  s.github.follow(a_follow("7", true));
  s.github.follow(a_follow("7", true));
  s.github.follow(a_follow("7"));
  REQUIRE(tests::run_until(s.reactor, [&] { return s.asked("GET", "/runs/7") > 4; }));
  CHECK(s.asked("POST", "/runs/7/cancel") == 1);
  s.stub.otherwise({200, GithubStage::run_text(7, "completed", "cancelled")});
  CHECK(s.end().outcome == DeployOutcome::cancelled);
}

TEST_CASE("github: its end leaves runs to themselves, and nothing is told any more") {
  tests::HttpStub stub;
  asio::io_context reactor;
  HttpClient client{reactor.get_executor()};
  tests::FixedClock clock{tests::claim_time};
  tests::RecordingInbox inbox;
  tests::RecordingLog log;
  stub.otherwise({200, GithubStage::run_text(7, "in_progress")});
  {
    GithubSettings settings;
    settings.api_url = stub.url("");
    settings.repository = "acme/shop";
    settings.token = Secret{"x"};
    Github github{reactor, client, clock,
                  inbox,   log,    [&](const rules::Service&) { return settings; }};
    github.follow(a_follow("7"));
    CHECK(stub.wait_for_requests(1));
  }
  asio::steady_timer moment{reactor, std::chrono::milliseconds{50}};
  bool over = false;
  moment.async_wait([&](const boost::system::error_code&) { over = true; });
  REQUIRE(tests::run_until(reactor, [&] { return over; }));
  CHECK(inbox.inputs().empty());
  CHECK(stub.requests().size() == 1);
}

}  // namespace
}  // namespace rollbackd::engine
