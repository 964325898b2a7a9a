#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "engine/actions/github.hpp"
#include "tests/support/command_stage.hpp"
#include "tests/support/fixed_clock.hpp"
#include "tests/support/http_stub.hpp"
#include "tests/support/recorders.hpp"

// What the tests of the github executor share.
namespace rollbackd::tests {

inline const rules::Instant claim_time = rules::instant_of(1'765'800'000);  // 2025-12-15 12:00 UTC
inline const std::string marker = "[rb:11111111-1111-1111-1111-111111111111]";

// Must be in no log line and no detail, whatever happens.
inline const std::string canary_token = "ghp_CanaryCanaryCanary0123456789";

inline rules::Deploy a_github_deploy() {
  rules::Deploy deploy = a_deploy();
  deploy.executor = "github";
  deploy.claimed_at = claim_time;
  return deploy;
}

inline rules::FollowDeploy a_follow(std::string run = {}, bool late = false) {
  return {event_id, {"production", "api"}, "github", std::move(run), claim_time, late};
}

// The executor, what it told, and a server that answers as told.
struct GithubStage {
  explicit GithubStage(rules::Instant now = claim_time) : clock{now} {
    settings.api_url = stub.url("");
    settings.repository = "acme/shop";
    settings.workflow = "rollback.yml";
    settings.token = engine::Secret{canary_token};
    settings.timeout = rules::seconds{60};
    settings.poll = rules::Duration{2'000};
    settings.lookup = rules::Duration{300'000};
  }
  ~GithubStage() {
    CHECK_MESSAGE(told().find(canary_token) == std::string::npos, "a token was told: ", told());
  }
  GithubStage(const GithubStage&) = delete;
  GithubStage& operator=(const GithubStage&) = delete;

  // All that people get to see.
  [[nodiscard]] std::string told() const {
    std::string text = log.text();
    for (const auto& started : inbox.all<rules::DeployStarted>()) {
      text += started.detail + '\n' + started.run + '\n' + started.url + '\n';
    }
    for (const auto& ended : inbox.all<rules::DeployEnded>()) {
      text += ended.detail + '\n';
    }
    return text;
  }

  // Runs what was begun until it has ended.
  rules::DeployEnded end() {
    const auto ends = [&] { return inbox.all<rules::DeployEnded>(); };
    REQUIRE(run_until(reactor, [&] { return !ends().empty(); }));
    REQUIRE(ends().size() == 1);
    CHECK(ends().front().event == event_id);
    CHECK(github.running().empty());
    return ends().front();
  }
  rules::DeployEnded deploy(const rules::Deploy& deploy = a_github_deploy()) {
    github.deploy(deploy);
    return end();
  }
  rules::DeployEnded follow(const rules::FollowDeploy& follow) {
    github.follow(follow);
    return end();
  }

  // Answers that GitHub would give.
  void answers(int status, std::string body, engine::HttpHeaders headers = {}) {
    stub.next({status, std::move(body), std::move(headers)});
  }
  void starts(std::uint64_t run) { answers(200, dispatched(run)); }
  void tells(std::uint64_t run, const std::string& status, const std::string& conclusion = {}) {
    answers(200, run_text(run, status, conclusion));
  }
  void lists(const std::vector<std::uint64_t>& runs) { answers(200, list_text(runs)); }

  static std::string dispatched(std::uint64_t run) {
    return R"({"workflow_run_id":)" + std::to_string(run) +
           R"(,"html_url":"https://github.example/runs/)" + std::to_string(run) + R"("})";
  }
  static std::string run_text(std::uint64_t run, const std::string& status,
                              const std::string& conclusion = {}) {
    return R"({"id":)" + std::to_string(run) + R"(,"status":")" + status + R"(","conclusion":)" +
           (conclusion.empty() ? "null" : '"' + conclusion + '"') +
           R"(,"display_title":"Rollback )" + marker +
           R"(","html_url":"https://github.example/runs/)" + std::to_string(run) + R"("})";
  }
  // Runs of this rollback, in this order.
  static std::string list_text(const std::vector<std::uint64_t>& runs) {
    std::string text;
    for (const std::uint64_t run : runs) {
      text += (text.empty() ? "" : ",") + run_text(run, "queued");
    }
    return R"({"total_count":)" + std::to_string(runs.size()) + R"(,"workflow_runs":[)" + text +
           "]}";
  }

  [[nodiscard]] std::size_t asked(std::string_view method, std::string_view in_target) const {
    const auto requests = stub.requests();
    return static_cast<std::size_t>(
        std::count_if(requests.begin(), requests.end(), [&](const StubRequest& request) {
          return request.method == method && request.target.find(in_target) != std::string::npos;
        }));
  }
  [[nodiscard]] std::size_t dispatches() const { return asked("POST", "/dispatches"); }

  HttpStub stub;
  engine::asio::io_context reactor;
  engine::HttpClient client{reactor.get_executor()};
  FixedClock clock;
  RecordingInbox inbox;
  RecordingLog log;
  engine::GithubSettings settings;
  engine::Github github{reactor, client, clock,
                        inbox,   log,    [this](const rules::Service&) { return settings; }};
};

}  // namespace rollbackd::tests
