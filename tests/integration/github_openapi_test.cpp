#include <cstdlib>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/actions/github.hpp"
#include "engine/clock.hpp"
#include "tests/support/github_stage.hpp"
#include "tests/support/github_standin.hpp"
#include "tests/support/http_request.hpp"
#include "tests/support/prism.hpp"

// What the github executor asks, and what the stand-in answers, is what GitHub's own description of
// its API allows: both go through a proxy that checks them.
namespace rollbackd::engine {
namespace {

using rules::DeployOutcome;

const std::string repository = "acme/shop";
const std::string actions = "/repos/acme/shop/actions";

// The executor, with Prism between it and the stand-in.
struct Checked {
  Checked() {
    settings.api_url = prism.url();
    settings.repository = repository;
    settings.token = Secret{tests::canary_token};
    settings.poll = rules::Duration{50'000};
    settings.lookup = rules::seconds{20};
  }

  rules::DeployEnded deploy(const nlohmann::json& options, bool cancel = false) {
    standin.set(repository, options);
    auto wanted = tests::a_github_deploy();
    wanted.event = rules::EventId{{static_cast<std::uint8_t>(++number)}};
    wanted.claimed_at = clock.now();
    github.deploy(wanted);
    const auto ends = [&] { return inbox.all<rules::DeployEnded>(); };
    if (cancel) {
      REQUIRE(
          tests::run_until(reactor, [&] { return !inbox.all<rules::DeployStarted>().empty(); }));
      github.cancel({wanted.event, wanted.service, "github", ""});
    }
    REQUIRE(tests::run_until(
        reactor, [&] { return ends().size() == number; }, std::chrono::seconds{60}));
    return ends().back();
  }

  tests::GithubStandIn standin;
  tests::Prism prism{standin.api_url()};
  asio::io_context reactor;
  HttpClient client{reactor.get_executor()};
  tests::FixedClock clock{wall_now()};
  tests::RecordingInbox inbox;
  tests::RecordingLog log;
  GithubSettings settings;
  std::size_t number = 0;
  Github github{reactor, client, clock,
                inbox,   log,    [this](const rules::Service&) { return settings; }};
};

tests::HttpAnswer get(const tests::Prism& prism, const std::string& path) {
  return tests::http_request(prism.port(), "GET", path);
}

TEST_CASE("github: requests and the stand-in's answers are as GitHub's own description has them") {
  if (!tests::Prism::is_installed()) {
    MESSAGE("skipped: Prism is not installed; with npm, ./dev setup test installs it");
    return;
  }
  Checked c;
  SUBCASE("all of a deploy, with its run named, looked up, and cancelled") {
    CHECK(c.deploy({{"behaviour", "behaves"}}).outcome == DeployOutcome::succeeded);
    CHECK(c.deploy({{"behaviour", "no_run_id"}}).outcome == DeployOutcome::succeeded);
    CHECK(c.deploy({{"behaviour", "two_runs"}}).outcome == DeployOutcome::succeeded);
    CHECK(c.deploy({{"behaviour", "behaves"}, {"conclusion", "failure"}}).outcome ==
          DeployOutcome::failed);
    CHECK(c.deploy({{"stays", "in_progress"}}, true).outcome == DeployOutcome::cancelled);
    const auto ledger = c.standin.ledger(repository);
    CHECK(ledger["posts"].size() == 5);
    const std::string run = std::to_string(ledger["runs"][0]["id"].get<int>());
    for (const std::string& path :
         {"/rate_limit" + std::string{}, actions + "/runs/" + run,
          actions + "/runs/" + run + "/jobs", actions + "/workflows/rollback.yml/runs"}) {
      const auto answer = get(c.prism, path);
      CHECK(answer.status == 200);
      CHECK(answer.headers.find("sl-violations") == std::string::npos);
    }
    CHECK(c.prism.log().find("Request terminated with error") == std::string::npos);
  }
  SUBCASE("and what is not would be noticed") {
    CHECK(tests::http_request(c.prism.port(), "POST",
                              actions + "/workflows/rollback.yml/dispatches", R"({"inputs":{}})")
              .status >= 400);
    CHECK(c.prism.log().find("Request terminated with error") != std::string::npos);
    c.standin.set(repository, {{"behaviour", "run_wrong_types"}});
    CHECK(get(c.prism, actions + "/runs/1").status == 500);
  }
}

}  // namespace
}  // namespace rollbackd::engine
