// `rollbackd explain`: what the database alone tells, with the daemon stopped.

#include <filesystem>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

namespace {

struct Told : Stage {
  using Stage::Stage;

  int explain(const std::string& name, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command{ROLLBACKD_PROGRAM, "explain", "--conninfo",
                                     postgres().conninfo("rollbackd"), name};
    command.insert(command.end(), more.begin(), more.end());
    said.clear();
    return run_program(command, said);
  }
  [[nodiscard]] bool says(const std::string& part) const {
    return said.find(part) != std::string::npos;
  }
  void wait_for_decision(const std::string& type, const std::string& deployment) {
    eventually(type.c_str(), 60, [&] {
      return ask("select count(*) from ops.roman_events where event_type = '" + type +
                 "' and metadata->>'deployment_id' = '" + deployment + "'") != "0";
    });
  }

  std::string said;
};

// What happened, before the daemon ended.
struct Story {
  std::string bad;  // rolled back by `event`
  std::string event;
  std::string first;  // rejected
  std::string quiet;
  std::string held;
};

Story live_through(Told& f) {
  Story story;
  f.deployed_long_ago("v1", "shop");
  story.bad = f.deploy("v2", "in_progress", "shop");
  story.first = f.deploy("v7", "in_progress", "lonely");
  story.quiet = f.deploy("v5", "in_progress", "quiet");
  for (const std::string& id : {story.bad, story.first, story.quiet}) {
    f.wait_until_watched(id);
  }
  f.log_errors(6, "shop");
  CHECK(f.wait_for_end(story.bad) == "success");
  f.log_errors(6, "lonely");
  f.wait_for_decision("rollback_rejected", story.first);
  f.ask(
      "update ops.control set paused = true, paused_by = 'me', reason = 'database work',"
      " since = now()");
  story.held = f.deploy("v9", "in_progress", "held");
  f.wait_until_watched(story.held);
  f.log_errors(6, "held");
  f.wait_for_decision("rollback_held", story.held);
  f.daemon().kill();
  story.event =
      f.ask("select event_id from ops.rollback_events where deployment_id = '" + story.bad + "'");
  return story;
}

void check_rollback(Told& f, const Story& story) {
  CHECK(f.explain(story.event) == 0);
  CAPTURE(f.said);
  CHECK(f.says("Rollback " + story.event + "  success"));
  CHECK(f.says("production/shop: v2 (commit-of-v2) → v1 (commit-of-v1)"));
  CHECK(f.says("error_rate fired: errors_per_minute over 60 s was 6, the limit is 5"));
  CHECK(f.says("Constitutional validation  PASSED"));
  CHECK(f.says("law_total_coherence"));
  CHECK(f.says("trigger_deploy"));
  CHECK(f.says("after the decision"));
  CHECK(f.says("pre_rollback"));
  CHECK(f.says("rollback_initiated"));
  CHECK(f.says("completed: not delivered, "));
  CHECK(f.says("it broke"));
  CHECK_FALSE(f.says("\033["));
}

// The beginning of its id is enough.
void check_json(Told& f, const Story& story) {
  CHECK(f.explain(story.event.substr(0, 8), {"--json"}) == 0);
  const json told = json::parse(f.said);
  REQUIRE(told["rollbacks"].size() == 1);
  const json& rollback = told["rollbacks"][0];
  CHECK(rollback["event_id"] == story.event);
  CHECK(rollback["decisions"].size() >= 4);
  CHECK(rollback["sample_errors"].size() == 5);
  CHECK(rollback["replacement"]["version"] == "v1");
}

void check_deployment(Told& f, const Story& story) {
  CHECK(f.explain("v2") == 0);
  CAPTURE(f.said);
  CHECK(f.says("Deployment " + story.bad + "  rolled_back"));
  CHECK(f.says("6 in all; at most 6 within a minute"));
  CHECK(f.says("error_rate fires above 5: exceeded"));
  CHECK(f.says("recent_errors fires above 50: not reached"));
  CHECK(f.says(story.event.substr(0, 8)));
}

void check_rejection(Told& f, const Story& story) {
  CHECK(f.explain(story.first) == 0);
  CAPTURE(f.said);
  CHECK(f.says("rollback_rejected  Rejected: no_target"));
  CHECK(f.says("Deploy a version that works."));
  CHECK(f.explain(f.ask("select event_id from ops.rollback_events where deployment_id = '" +
                        story.first + "'")) == 0);
  CHECK(f.says("Constitutional validation  FAILED"));
  CHECK(f.says("violation: "));
}

void check_hold(Told& f, const Story& story) {
  CHECK(f.explain("v9") == 0);
  CAPTURE(f.said);
  CHECK(f.says("rollback_held  High error rate: 6 errors/minute; held: paused"));
  CHECK(f.says("paused: Rollbacks were paused."));
  CHECK(f.says("rollbackctl resume"));
  CHECK(f.says("paused by me since"));
  // The message about it names the rollback that it might have been.
  CHECK(f.explain(f.ask("select event_id from ops.outbox where kind = 'held'")) == 0);
  CHECK(f.says("Deployment " + story.held));
}

void check_nothing(Told& f, const Story& story) {
  CHECK(f.explain(story.quiet.substr(0, 13)) == 0);
  CAPTURE(f.said);
  CHECK(f.says("Errors of its time\n  none"));
  CHECK(f.says("Nothing was decided: while it was watched no row of the trigger table held."));
  CHECK(f.says("led last, since"));
}

}  // namespace

TEST_CASE("explain: a rollback, a rejection, a hold, and why nothing happened") {
  Told f;
  const Story story = live_through(f);
  check_rollback(f, story);
  check_json(f, story);
  check_deployment(f, story);
  check_rejection(f, story);
  check_hold(f, story);
  check_nothing(f, story);
  CHECK(f.explain("v22") == 1);
  CAPTURE(f.said);
  CHECK(f.says("no rollback and no deployment, or more than one, is called v22"));
  CHECK(f.says("v2  " + story.bad + "  production/shop  rolled_back"));
}

TEST_CASE("explain: without a database it says so, without the password") {
  std::string said;
  CHECK(run_program({ROLLBACKD_PROGRAM, "explain", "--conninfo",
                     "host=/nowhere dbname=app password=sesame", "v1"},
                    said) == 1);
  CAPTURE(said);
  CHECK(said.find("there is no connection to the database") != std::string::npos);
  CHECK(said.find("rollbackd doctor") != std::string::npos);
  CHECK(said.find("sesame") == std::string::npos);
}
