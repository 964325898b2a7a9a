#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "tests/support/github_stage.hpp"

// What the one request of the github executor asks for, and what each answer to it means.
namespace rollbackd::engine {
namespace {

using rules::DeployOutcome;
using tests::GithubStage;
using How = tests::StubAnswer::How;

tests::StubAnswer misbehaving(How how, std::string body = "{}") {
  tests::StubAnswer answer;
  answer.how = how;
  answer.body = std::move(body);
  return answer;
}

TEST_CASE("github: the dispatch says all of the rollback, once, on a connection of its own") {
  GithubStage s;
  s.starts(77);
  s.tells(77, "completed", "success");
  s.lists({77});
  auto deploy = tests::a_github_deploy();
  deploy.reason = "errors\x1b[31m\nand\tmore";
  CHECK(s.deploy(deploy).outcome == DeployOutcome::succeeded);

  const auto request = s.stub.requests().at(0);
  CHECK(request.method == "POST");
  CHECK(request.target == "/repos/acme/shop/actions/workflows/rollback.yml/dispatches");
  CHECK(request.header("accept") == "application/vnd.github+json, application/json;q=0.9");
  CHECK(request.header("authorization") == "Bearer " + tests::canary_token);
  CHECK(request.header("x-github-api-version") == "2022-11-28");
  CHECK(request.header("content-type") == "application/json");
  CHECK(request.header("user-agent").value_or("").starts_with("rollbackd/"));
  const auto wanted = nlohmann::json::parse(R"({"ref":"main","return_run_details":true,"inputs":{
      "rollback_id":"11111111-1111-1111-1111-111111111111","environment":"production",
      "service":"api","version":"v2.5.2","git_commit":"a7f3b29",
      "deployment_id":"22222222-2222-2222-2222-222222222222","reason":"errors and more",
      "not_after":"2025-12-15T12:01:00Z"}})");
  CHECK(nlohmann::json::parse(request.body) == wanted);
  CHECK(s.dispatches() == 1);
  CHECK(s.stub.connections() >= 2);

  const auto started = s.inbox.all<rules::DeployStarted>();
  REQUIRE(started.size() == 1);
  CHECK(started[0].run == "77");
  CHECK(started[0].url == "https://github.example/runs/77");
}

TEST_CASE("github: a reason of any length fits, and odd names stay inside the path") {
  GithubStage s;
  s.settings.repository = "acme/sh op";
  s.settings.workflow = "roll?back.yml";
  s.answers(422, "{}");
  auto deploy = tests::a_github_deploy();
  deploy.reason = std::string(100'000, 'x');
  s.deploy(deploy);
  const auto request = s.stub.requests().at(0);
  CHECK(request.target == "/repos/acme/sh%20op/actions/workflows/roll%3Fback.yml/dispatches");
  CHECK(nlohmann::json::parse(request.body)["inputs"]["reason"].get<std::string>().size() == 1000);
}

TEST_CASE("github: a value that GitHub or a shell could not take is never sent") {
  for (const std::string& version :
       {std::string{"-rf"}, std::string{"v1\nv2"}, std::string{}, std::string(2000, 'v')}) {
    GithubStage s;
    auto deploy = tests::a_github_deploy();
    deploy.version = version;
    const auto ended = s.deploy(deploy);
    CHECK(ended.outcome == DeployOutcome::not_started);
    CHECK(ended.detail.find("version") != std::string::npos);
    CHECK(ended.detail.find("correct the row in ops.deployments") != std::string::npos);
    CHECK(s.stub.requests().empty());
  }
}

TEST_CASE("github: what is not configured is said, and nothing is sent") {
  GithubStage s;
  SUBCASE("repository") { s.settings.repository.clear(); }
  SUBCASE("workflow") { s.settings.workflow.clear(); }
  SUBCASE("token") { s.settings.token = Secret{}; }
  const auto ended = s.deploy();
  CHECK(ended.outcome == DeployOutcome::not_started);
  CHECK(ended.detail.find("set rollback.github.") != std::string::npos);
  CHECK(s.stub.requests().empty());
}

struct Refusal {
  int status;
  const char* message;
  const char* remedy;  // a part of it
};

TEST_CASE("github: each error of GitHub ends the deploy with what to fix, and is asked once") {
  for (const Refusal& refusal : std::initializer_list<Refusal>{
           {401, "Bad credentials", "revoked or expired"},
           {403, "Resource not accessible by personal access token", "Actions: read and write"},
           {403, "Resource not accessible by integration", "Actions: read and write"},
           {403, "Must have admin rights to Repository.", "write access"},
           {403, "Repository was archived so is read-only.", "unarchive"},
           {403, "Resource protected by organization SAML enforcement.", "single sign-on"},
           {404, "Not Found", ".github/workflows"},
           {422, "No ref found for: main", "rollback.github.ref"},
           {422, "Workflow does not have 'workflow_dispatch' trigger",
            "workflow_dispatch under on:"},
           {422, "Unexpected inputs provided: [\\\"reason\\\"]", "does not declare these inputs"},
           {422, "Required input 'x' not provided", "give it a default"},
           {422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow",
            "enable the workflow"},
           {422, "Actions is disabled for this repository.", "enable Actions"},
           {422, "Provided value 'v1' for input 'version' not in the list of allowed values",
            "type choice"},
           {422, "inputs are too large.", "shorten"},
           {422, "something new", "config/github/rollback.yml"},
           {400, "Problems parsing JSON", "proxy"},
           {405, "", "rollback.github.api_url"},
           {407, "", "https_proxy"},
           {451, "Repository access blocked", "legal"},
       }) {
    CAPTURE(refusal.message);
    GithubStage s;
    s.answers(refusal.status, std::string{R"({"message":")"} + refusal.message + R"("})");
    const auto ended = s.deploy();
    CHECK(ended.outcome == DeployOutcome::not_started);
    CHECK(ended.detail.find(std::to_string(refusal.status)) != std::string::npos);
    CHECK(ended.detail.find(refusal.remedy) != std::string::npos);
    CHECK(s.stub.requests().size() == 1);
  }
}

TEST_CASE("github: GitHub's further words are told, and its refusal needs no body") {
  GithubStage s;
  s.answers(422, R"({"message":"Validation Failed","errors":["version is odd"]})");
  CHECK(s.deploy().detail.find("Validation Failed: version is odd") != std::string::npos);
  GithubStage bare;
  bare.answers(404, "<html>");
  CHECK(bare.deploy().outcome == DeployOutcome::not_started);
}

TEST_CASE("github: a redirect is not followed, and the host it leads to is named") {
  GithubStage s;
  s.answers(307, "", {{"Location", "https://evil.example:8443/repos?x=" + tests::canary_token}});
  const auto ended = s.deploy();
  CHECK(ended.outcome == DeployOutcome::not_started);
  CHECK(ended.detail.find("another host, https://evil.example:8443;") != std::string::npos);
  GithubStage moved;
  moved.answers(307, "", {{"Location", moved.stub.url("/repositories/1")}});
  CHECK(moved.deploy().detail.find("renamed or moved") != std::string::npos);
  for (const char* location : {"", "//", "ftp://", "evil", "http://[", "https://u:p@h/"}) {
    GithubStage odd;
    odd.answers(302, "", {{"Location", location}});
    CHECK(odd.deploy().outcome == DeployOutcome::not_started);
    CHECK(odd.stub.requests().size() == 1);
  }
}

TEST_CASE("github: where a limit asks to wait, the deploy is refused for that long") {
  const auto reset = std::to_string(rules::second_of(tests::claim_time) + 40);
  const auto past = std::to_string(rules::second_of(tests::claim_time) - 40);
  struct Limit {
    int status;
    HttpHeaders headers;
    const char* message;
    int wait;
  };
  for (const Limit& limit : std::initializer_list<Limit>{
           {429, {{"Retry-After", "7"}}, "", 7},
           {403, {{"Retry-After", "30"}}, "", 30},
           {403, {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", reset}}, "", 41},
           {403, {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", past}}, "", 1},
           {403, {{"X-RateLimit-Remaining", "0"}}, "", 60},
           {403, {}, "You have exceeded a secondary rate limit", 60},
           {429, {}, "", 60},
           {429, {{"Retry-After", "soon"}}, "", 60},
           {429, {{"Retry-After", "0"}}, "", 1},
           {429, {{"Retry-After", "99999999"}}, "", 3600},
       }) {
    GithubStage s;
    s.answers(limit.status, std::string{R"({"message":")"} + limit.message + R"("})",
              limit.headers);
    const auto ended = s.deploy();
    CHECK(ended.outcome == DeployOutcome::refused);
    CHECK(ended.retry_after == rules::seconds{limit.wait});
    CHECK(s.stub.requests().size() == 1);
  }
}

TEST_CASE("github: what could not be sent is refused, with a pause that grows until it can be") {
  GithubStage s;
  const tests::ClosedPort closed;
  const std::string reachable = s.settings.api_url;
  s.settings.api_url = "http://127.0.0.1:" + std::to_string(closed.port());
  std::vector<rules::Duration> pauses;
  const auto deploy = [&] {
    const std::size_t before = s.inbox.all<rules::DeployEnded>().size();
    s.github.deploy(tests::a_github_deploy());
    REQUIRE(tests::run_until(s.reactor,
                             [&] { return s.inbox.all<rules::DeployEnded>().size() > before; }));
    CHECK(s.inbox.all<rules::DeployEnded>().back().outcome == DeployOutcome::refused);
    pauses.push_back(s.inbox.all<rules::DeployEnded>().back().retry_after);
  };
  for (int i = 0; i < 6; ++i) {
    deploy();
  }
  using rules::seconds;
  CHECK(pauses == std::vector<rules::Duration>{seconds{1}, seconds{2}, seconds{4}, seconds{8},
                                               seconds{16}, seconds{16}});
}

TEST_CASE(
    "github: a server that does not know return_run_details is asked without it from then on") {
  GithubStage s;
  s.answers(400,
            R"({"message":"Invalid request.\n\n\"return_run_details\" is not a permitted key."})");
  auto ended = s.deploy();
  CHECK(ended.outcome == DeployOutcome::refused);
  CHECK(ended.retry_after == rules::Duration{0});
  s.answers(204, "");
  s.lists({5});
  s.tells(5, "completed", "success");
  s.github.deploy(tests::a_github_deploy());
  REQUIRE(
      tests::run_until(s.reactor, [&] { return s.inbox.all<rules::DeployEnded>().size() == 2; }));
  CHECK(s.inbox.all<rules::DeployEnded>().back().outcome == DeployOutcome::succeeded);
  CHECK(s.stub.requests().at(0).body.find("return_run_details") != std::string::npos);
  CHECK(s.stub.requests().at(1).body.find("return_run_details") == std::string::npos);

  SUBCASE("and a server that complains of it all the same is not asked for ever") {
    s.answers(422, R"({"message":"return_run_details"})");
    s.github.deploy(tests::a_github_deploy());
    REQUIRE(
        tests::run_until(s.reactor, [&] { return s.inbox.all<rules::DeployEnded>().size() == 3; }));
    CHECK(s.inbox.all<rules::DeployEnded>().back().outcome == DeployOutcome::not_started);
  }
}

TEST_CASE("github: whatever leaves open whether it was accepted is looked up, never asked again") {
  for (const auto& answer : std::initializer_list<tests::StubAnswer>{
           {500, "{}"},
           {502, "<html>bad gateway"},
           {503, ""},
           {504, ""},
           {408, ""},
           {409, "{}"},
           {418, "{}"},
           {201, "{}"},
           {202, "{}"},
           {206, "{}"},
           {200, ""},
           {200, "{}"},
           {200, "no json"},
           {200, R"({"workflow_run_id":)"},
           {200, R"({"workflow_run_id":0})"},
           {200, R"({"workflow_run_id":-7})"},
           {200, R"({"workflow_run_id":7.5})"},
           {200, R"({"workflow_run_id":"77"})"},
           {200, R"([{"workflow_run_id":77}])"},
           {200, std::string(1'100'000, ' ')},
           misbehaving(How::close),
           misbehaving(How::reset),
           misbehaving(How::cut, R"({"workflow_run_id":77})"),
           misbehaving(How::raw, "220 mail\r\n"),
           misbehaving(How::hold),
       }) {
    CAPTURE(answer.status);
    CAPTURE(answer.body.substr(0, 40));
    GithubStage s;
    s.stub.next(answer);
    s.lists({});
    s.lists({41});
    s.tells(41, "completed", "success");
    const auto ended = s.deploy();
    CHECK(ended.outcome == DeployOutcome::succeeded);
    CHECK(ended.detail.find("run 41") != std::string::npos);
    CHECK(s.dispatches() == 1);
    REQUIRE(s.inbox.all<rules::DeployStarted>().size() == 1);
    CHECK(s.inbox.all<rules::DeployStarted>()[0].run == "41");
  }
}

TEST_CASE(
    "github: the token is read again for each request; one that cannot be read asks for nothing") {
  const auto file =
      std::filesystem::temp_directory_path() / ("github_token_" + std::to_string(::getpid()));
  std::ofstream{file} << "first\n";
  GithubStage s;
  s.settings.token_file = file;
  s.starts(7);
  s.github.deploy(tests::a_github_deploy());
  REQUIRE(
      tests::run_until(s.reactor, [&] { return !s.inbox.all<rules::DeployStarted>().empty(); }));
  std::ofstream{file} << "second\n";
  s.tells(7, "completed", "success");
  s.lists({7});
  CHECK(s.end().outcome == DeployOutcome::succeeded);
  CHECK(s.stub.requests().at(0).header("authorization") == "Bearer first");
  CHECK(s.stub.requests().at(2).header("authorization") == "Bearer second");
  std::filesystem::remove(file);

  GithubStage gone;
  gone.settings.token_file = file;
  const auto ended = gone.deploy();
  CHECK(ended.outcome == DeployOutcome::refused);
  CHECK(ended.detail.find(file.string() + " does not exist") != std::string::npos);
  CHECK(gone.stub.requests().empty());
}

TEST_CASE("github: a token that an answer says back is told nobody") {
  GithubStage s;
  s.answers(422, R"({"message":"you sent Bearer )" + tests::canary_token + "\"}");
  CHECK(s.deploy().detail.find("you sent Bearer (token)") != std::string::npos);
  GithubStage url;
  url.answers(200, R"({"workflow_run_id":7,"html_url":"https://h/?)" + tests::canary_token + "\"}");
  url.tells(7, "completed", "success");
  url.lists({7});
  CHECK(url.deploy().outcome == DeployOutcome::succeeded);
}

TEST_CASE("github: a second deploy of the same rollback is none") {
  GithubStage s;
  s.stub.next(misbehaving(How::hold));
  s.settings.lookup = rules::seconds{60};
  s.github.deploy(tests::a_github_deploy());
  CHECK(s.github.lost_with_us() == 1);
  CHECK(s.github.running() == std::vector{tests::event_id});
  s.github.deploy(tests::a_github_deploy());
  CHECK(s.inbox.inputs().empty());
  CHECK(s.log.has(LogLevel::error, "github_asked_twice"));
}

}  // namespace
}  // namespace rollbackd::engine
