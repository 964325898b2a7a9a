#include "engine/actions/github.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/clock.hpp"
#include "tests/support/github_stage.hpp"
#include "tests/support/github_standin.hpp"
#include "tests/support/rules_kit.hpp"

// The github executor against the stand-in, which keeps a ledger of what really happened. The cases
// of a test run side by side, each with a repository of its own.
namespace rollbackd::engine {
namespace {

using nlohmann::json;
using rules::DeployOutcome;

struct Case {
  std::string behaviour;
  DeployOutcome outcome = DeployOutcome::succeeded;
  json options = json::object();
  rules::Duration lookup = rules::seconds{5};
  rules::Duration timeout = rules::seconds{30};
};

struct Result {
  rules::DeployEnded ended;
  json ledger;

  [[nodiscard]] std::ptrdiff_t effects(const std::string& effect) const {
    const auto& runs = ledger["runs"];
    return std::count_if(runs.begin(), runs.end(),
                         [&](const json& run) { return run["effect"] == effect; });
  }
};

class Campaign {
 public:
  ~Campaign() { CHECK(log_.text().find(tests::canary_token) == std::string::npos); }

  // Deploys once in each case and waits for all ends.
  std::vector<Result> run(const std::vector<Case>& cases) {
    cases_ = cases;
    const std::size_t before = ends().size();
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      json options = cases_[i].options;
      options["behaviour"] = cases_[i].behaviour;
      options["token"] = tests::canary_token;
      standin_.set(repository(i), options);
      github_.deploy(deploy_of(i));
    }
    return results(before);
  }

  // The same cases again, as after a refusal.
  std::vector<Result> again() {
    const std::size_t before = ends().size();
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      github_.deploy(deploy_of(i));
    }
    return results(before);
  }

  // Goes on with what the cases may have dispatched.
  std::vector<Result> follow_late() {
    const std::size_t before = ends().size();
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      const auto deploy = deploy_of(i);
      github_.follow({deploy.event, deploy.service, "github", "", deploy.claimed_at, true});
    }
    return results(before);
  }

 private:
  static std::string repository(std::size_t i) { return "acme/case" + std::to_string(i); }

  [[nodiscard]] rules::Deploy deploy_of(std::size_t i) const {
    auto deploy = tests::a_github_deploy();
    deploy.event = rules::EventId{tests::numbered_id(i + 1).bytes()};
    deploy.service.name = "case" + std::to_string(i);
    deploy.claimed_at = clock_.now();
    return deploy;
  }

  [[nodiscard]] std::vector<rules::DeployEnded> ends() const {
    return inbox_.all<rules::DeployEnded>();
  }

  std::vector<Result> results(std::size_t before) {
    const std::size_t wanted = before + cases_.size();
    REQUIRE(tests::run_until(
        reactor_, [&] { return ends().size() >= wanted; }, std::chrono::seconds{120}));
    const auto all = ends();
    std::vector<Result> found(cases_.size());
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      const auto own = std::find_if(
          all.begin() + static_cast<std::ptrdiff_t>(before), all.end(),
          [&](const rules::DeployEnded& end) { return end.event == deploy_of(i).event; });
      REQUIRE(own != all.end());
      CHECK(own->detail.find(tests::canary_token) == std::string::npos);
      found[i] = {*own, standin_.ledger(repository(i))};
    }
    return found;
  }

  GithubSettings settings_of(const rules::Service& service) {
    const std::size_t i = std::stoul(service.name.substr(4));
    GithubSettings settings;
    settings.api_url = standin_.api_url();
    settings.repository = repository(i);
    settings.token = Secret{tests::canary_token};
    settings.timeout = cases_[i].timeout;
    settings.poll = rules::Duration{20'000};
    settings.lookup = cases_[i].lookup;
    return settings;
  }

  tests::GithubStandIn standin_;
  asio::io_context reactor_;
  HttpClient client_{reactor_.get_executor()};
  tests::FixedClock clock_{wall_now()};
  tests::RecordingInbox inbox_;
  tests::RecordingLog log_;
  std::vector<Case> cases_;
  Github github_{reactor_, client_,
                 clock_,   inbox_,
                 log_,     [this](const rules::Service& service) { return settings_of(service); }};
};

// Whatever happened: one dispatch, at most one effect, and success only with one.
void check_all(const std::vector<Case>& cases, const std::vector<Result>& results) {
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(cases[i].behaviour);
    CAPTURE(results[i].ended.detail);
    CHECK(results[i].ended.outcome == cases[i].outcome);
    CHECK(results[i].ledger["posts"].size() == 1);
    CHECK(results[i].effects("deployed") <= 1);
    if (results[i].ended.outcome == DeployOutcome::succeeded) {
      CHECK(results[i].effects("deployed") == 1);
    }
  }
}

TEST_CASE(
    "github: whatever goes wrong with a dispatch, it is one, and found when it was accepted") {
  const json fast = {{"list_delay_ms", 300}};
  const std::vector<Case> cases{
      {"behaves"},
      {"no_run_id"},
      {"no_run_id_in_200"},
      {"fails_after_accepting"},
      {"fails_without_accepting", DeployOutcome::unknown, {}, rules::seconds{1}},
      {"hangs_after_accepting"},
      {"hangs_without_accepting", DeployOutcome::unknown, {}, rules::seconds{1}},
      {"closes_after_accepting"},
      {"closes_without_accepting", DeployOutcome::unknown, {}, rules::seconds{1}},
      {"lists_late", DeployOutcome::succeeded, fast},
      {"fails_and_lists_late", DeployOutcome::succeeded, fast},
      {"two_runs"},
      {"two_runs_unnamed"},
      {"two_runs_and_fails"},
      {"rate_limits_polls", DeployOutcome::succeeded, {{"times", 1}}},
      {"nonsense", DeployOutcome::succeeded, {{"times", 2}}},
      {"nonsense", DeployOutcome::unknown, {}, rules::seconds{1}},
      {"redirects", DeployOutcome::not_started},
      {"moved", DeployOutcome::not_started},
      {"list_fails", DeployOutcome::unknown, {}, rules::seconds{1}},
      {"no_run_id", DeployOutcome::unknown, {{"names_runs", false}}, rules::seconds{1}},
      {"behaves",
       DeployOutcome::timed_out,
       {{"stays", "waiting"}},
       rules::seconds{2},
       rules::seconds{1}},
      {"behaves", DeployOutcome::failed, {{"conclusion", "failure"}}},
      {"behaves", DeployOutcome::not_started, {{"workflow", "other.yml"}}},
      {"behaves", DeployOutcome::not_started, {{"refs", {"trunk"}}}},
      {"behaves", DeployOutcome::not_started, {{"inputs", {"version"}}}},
  };
  Campaign campaign;
  check_all(cases, campaign.run(cases));
}

TEST_CASE("github: every trouble on every route is got over") {
  const std::vector<std::string> troubles{
      "fails", "unavailable", "hangs",     "closes",   "resets", "broken_json", "not_json",
      "empty", "huge",        "truncated", "not_http", "slow",   "wrong_types", "teapot"};
  std::vector<Case> cases;
  for (const std::string& trouble : troubles) {
    cases.push_back({"dispatch_" + trouble});
    cases.push_back({"run_" + trouble, DeployOutcome::succeeded, {{"times", 2}}});
    cases.push_back({"list_" + trouble, DeployOutcome::succeeded, {{"times", 1}}});
  }
  for (const char* answer : {"limited", "limited_until", "redirects", "moved"}) {
    cases.push_back({std::string{"run_"} + answer, DeployOutcome::succeeded, {{"times", 1}}});
    cases.push_back({std::string{"list_"} + answer, DeployOutcome::succeeded, {{"times", 1}}});
  }
  Campaign campaign;
  const auto results = campaign.run(cases);
  check_all(cases, results);
  for (const Result& result : results) {
    CHECK(result.ledger["too_soon"] == 0);
  }
}

TEST_CASE("github: every refusal seen in the field starts nothing") {
  std::vector<Case> cases;
  for (const char* refusal :
       {"bad_credentials", "no_permission", "no_permission_app", "no_admin", "archived", "sso",
        "not_found", "no_ref", "no_trigger", "unexpected_inputs", "required_input",
        "disabled_workflow", "actions_disabled", "not_a_choice", "too_large", "bad_json",
        "echoes_token"}) {
    cases.push_back({refusal, DeployOutcome::not_started});
  }
  Campaign campaign;
  const auto results = campaign.run(cases);
  check_all(cases, results);
  for (const Result& result : results) {
    CHECK(result.ledger["runs"].empty());
  }
}

TEST_CASE("github: what was refused may be asked again, and then it is done once") {
  const std::vector<Case> cases{
      {"old_server", DeployOutcome::refused},
      {"rate_limits", DeployOutcome::refused, {{"times", 1}}},
      {"rate_limits_until", DeployOutcome::refused, {{"times", 1}}},
      {"dispatch_limited_secondary", DeployOutcome::refused, {{"times", 1}}},
  };
  Campaign campaign;
  const auto refused = campaign.run(cases);
  check_all(cases, refused);
  for (const Result& result : campaign.again()) {
    CAPTURE(result.ended.detail);
    CHECK(result.ended.outcome == DeployOutcome::succeeded);
    CHECK(result.effects("deployed") == 1);
    CHECK(result.ledger["runs"].size() == 1);
  }
}

TEST_CASE("github: a run that turns up after it was given up is found, cancelled and followed") {
  const std::vector<Case> cases{
      {"fails_and_lists_late",
       DeployOutcome::unknown,
       {{"list_delay_ms", 4000}, {"run_ms", 60'000}},
       rules::Duration{500'000}},
      {"fails_and_lists_late",
       DeployOutcome::unknown,
       {{"list_delay_ms", 4000}},
       rules::Duration{500'000}},
  };
  Campaign campaign;
  check_all(cases, campaign.run(cases));
  const auto late = campaign.follow_late();
  CHECK(late[0].ended.outcome == DeployOutcome::cancelled);
  CHECK(late[0].effects("deployed") == 0);
  CHECK(late[0].ledger["cancels"].size() == 1);
  CHECK(late[1].ended.outcome == DeployOutcome::succeeded);
  CHECK(late[1].effects("deployed") == 1);
}

}  // namespace
}  // namespace rollbackd::engine
