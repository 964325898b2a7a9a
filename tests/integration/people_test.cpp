// What people do through the API, with the real daemon and its journal.

#include <chrono>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/process_use.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

namespace {

struct People : Stage {
  explicit People(const std::string& more = "",
                  const std::vector<std::pair<std::string, std::string>>& replaced = {})
      : Stage{more, {}, replaced} {}

  // A daemon that is starting, or is writing what is asked about, says 503: ask again.
  json api(const std::string& method, const std::string& path, const json& body, int status) {
    HttpAnswer answer;
    eventually("an answer other than 503", 60, [&] {
      answer = http_request(http_port(), method, "/functions/v1/auto-rollback" + path,
                            body.is_null() ? "" : body.dump(), "acting-token");
      return answer.status != 503 || status == 503;
    });
    CAPTURE(path);
    CAPTURE(answer.body);
    CHECK(answer.status == status);
    return json::parse(answer.body, nullptr, false);
  }
  json execute(const std::string& deployment, int status) {
    return api("POST", "", {{"deployment_id", deployment}, {"trigger_reason", "wrong prices"}},
               status);
  }
  // A proposal of the daemon for this deployment.
  std::string proposal(const std::string& bad) {
    std::string event;
    eventually("the proposal", 60, [&] {
      event = ask("select max(event_id::text) from ops.rollback_events where deployment_id = '" +
                  bad + "' and status = 'pending'");
      return !event.empty();
    });
    return event;
  }
};

}  // namespace

TEST_CASE("people: recorded over HTTP, rolled back over HTTP, and the answer is the original's") {
  People f;
  f.deployed_long_ago("v1");
  const json row = f.api("POST", "/deployments",
                         {{"environment", "production"},
                          {"version", "v2"},
                          {"git_commit", "abc"},
                          {"git_branch", "main"}},
                         201);
  const std::string bad = row.value("deployment_id", "");
  f.wait_until_watched(bad);
  const json done = f.execute(bad, 200);
  CHECK(done.value("success", false));
  CHECK(done["target_deployment"].value("version", "") == "v1");
  CHECK(done["validation"].value("compliant", false));
  CHECK(f.running_version().starts_with("v1"));
  CHECK(f.wait_for_end(bad) == "success");
  const json event = f.api("GET", "/events/" + done.value("event_id", ""), nullptr, 200);
  CHECK(event.value("trigger_type", "") == "manual");
  CHECK(event["ended_by"].is_null());
  CHECK(f.api("GET", "/history?limit=5", nullptr, 200)["rollbacks"].size() == 1);
  // The pipeline that says success late does not undo it.
  const json kept = f.api("PATCH", "/deployments/" + bad, {{"status", "success"}}, 409);
  CHECK(kept.value("event_id", "") == done.value("event_id", ""));
}

TEST_CASE("people: an approved proposal is dispatched, an aborted one is latched") {
  People f{"mode: ask\n"};
  const std::string bad = f.go_bad();
  const std::string event = f.proposal(bad);
  CHECK(f.running_version().empty());
  f.api("POST", "/approve", {{"event_id", event}, {"reason", "yes"}}, 200);
  CHECK(f.wait_for_end(bad) == "success");
  CHECK(f.ask("select trigger_type from ops.rollback_events where event_id = '" + event + "'") ==
        "automatic");

  const std::string next = f.deploy("v3");
  f.wait_until_watched(next);
  eventually("the cooldown to end", 60, [&] {
    return f.ask("select now() > max(completed_at) + interval '3 s' from ops.rollback_events") ==
           "t";
  });
  f.log_errors(6);
  const std::string other = f.proposal(next);
  f.api("POST", "/abort", {{"event_id", other}, {"reason", "known"}}, 200);
  CHECK(f.wait_for_end(next) == "aborted");
  f.log_errors(6);
  eventually("the hold to be told", 60, [&] {
    return f.ask(
               "select count(*) from ops.roman_events where event_type = 'rollback_held' and"
               " metadata->>'reasons' like '%latched%'") != "0";
  });
  CHECK(f.ask("select count(*) from ops.rollback_events where deployment_id = '" + next + "'") ==
        "1");
}

TEST_CASE("people: a pause holds everybody, within two seconds also when it was made by SQL") {
  People f;
  f.deployed_long_ago("v1");
  const std::string bad = f.deploy("v2");
  f.wait_until_watched(bad);
  // A question takes as long as it takes on this machine at this time.
  const auto asked = std::chrono::steady_clock::now();
  static_cast<void>(f.metric("rollbackd_paused"));
  const std::chrono::duration<double, std::milli> question =
      std::chrono::steady_clock::now() - asked;
  f.ask(
      "update ops.control set paused = true, paused_by = 'ann', reason = 'work', since = now()"
      " returning 1");
  const auto begun = std::chrono::steady_clock::now();
  eventually("the pause to count", 60, [&] { return f.metric("rollbackd_paused") == "1"; });
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
  CHECK(took.count() < 2000 + 10 * question.count());
  MESSAGE("a pause by SQL counted after " << took.count() << " ms");
  CHECK(f.api("POST", "", {{"deployment_id", bad}, {"trigger_reason", "x"}, {"dry_run", true}}, 409)
            .value("paused_by", "") == "ann");
  f.log_errors(6);
  eventually("the hold to be told", 60, [&] {
    return f.ask(
               "select count(*) from ops.roman_events where event_type = 'rollback_held' and"
               " metadata->>'reasons' like '%paused%'") != "0";
  });
  CHECK(f.running_version().empty());
  f.api("POST", "/resume", {{"reason", "done"}}, 200);
  CHECK(f.wait_for_end(bad) == "success");
  CHECK(f.ask("select string_agg(event_type, ' ' order by id) from ops.roman_events where"
              " event_type in ('pause', 'resume')") == "pause resume");
}

TEST_CASE("people: a pause that comes between the decision and the claim stops the dispatch") {
  People f{"", {{"confirm: 1s", "confirm: 5s"}}};  // the time in which it has to come
  const std::string bad = f.go_bad();
  eventually("the decision", 60, [&] {
    return f.ask("select count(*) from ops.rollback_events where status = 'in_progress'") == "1";
  });
  f.ask("update ops.control set paused = true, paused_by = 'ann' returning 1");
  CHECK(f.wait_for_end(bad) == "aborted");
  CHECK(f.running_version().empty());
  CHECK(f.ask("select status from ops.deployments where deployment_id = '" + bad + "'") ==
        "in_progress");
}

TEST_CASE("people: shadow only says what would be done") {
  People f{"mode: shadow\n"};
  const std::string bad = f.go_bad();
  eventually("the shadow", 60, [&] {
    return f.ask("select count(*) from ops.roman_events where event_type = 'rollback_shadow'") ==
           "1";
  });
  CHECK(f.ask("select count(*) from ops.rollback_events") == "0");
}
