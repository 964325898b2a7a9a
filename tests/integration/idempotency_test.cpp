// The same request twice, with the real daemon, its journal and its death in between.

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/store/records.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/recorders.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

namespace {

const std::string person = "11111111-2222-3333-4444-555555555555";

struct Keys : Stage {
  using Stage::Stage;

  HttpAnswer send(const std::string& key, const std::string& method, const std::string& path,
                  const json& body, const std::string& token = "acting-token") {
    return http_request(http_port(), method, "/auto-rollback" + path, body.dump(), token,
                        "Idempotency-Key: " + key + "\r\n");
  }
  HttpAnswer execute(const std::string& key, const std::string& deployment) {
    return send(key, "POST", "", {{"deployment_id", deployment}, {"trigger_reason", "wrong"}});
  }
  std::string rollbacks_of(const std::string& deployment) {
    return ask("select count(*) from ops.rollback_events where deployment_id = '" + deployment +
               "'");
  }
};

// Two daemons at the moment at which both believe that they lead.
struct TwoLeaders : InstalledPostgres {
  using Text = rollbackd::engine::Result<std::optional<std::string>>;

  // What `ask` is answered.
  Text answer_to(const std::function<void(rollbackd::engine::Archive::OnText)>& ask) {
    std::optional<Text> answer;
    ask([&](const Text& text) { answer = text; });
    REQUIRE(run_until(reactor, [&] { return answer.has_value(); }));
    return *answer;
  }

  rollbackd::engine::asio::io_context reactor;
  RecordingLog log;
  RecordingMeter meter;
  rollbackd::engine::Records first{reactor, {conninfo("rollbackd"), {}}, log, meter};
  rollbackd::engine::Records second{reactor, {conninfo("rollbackd"), {}}, log, meter};
};

bool is_replay(const HttpAnswer& answer) {
  return answer.headers.find("Idempotency-Replayed: true") != std::string::npos;
}

}  // namespace

TEST_CASE(
    "idempotency: an execution that the daemon did not survive is not started a second time") {
  Keys f{"", {}, {{"echo $1 $2 $3 >> $0", "echo $1 >> $0; sleep 20"}}};
  f.deployed_long_ago("v1");
  const std::string bad = f.deploy("v2");
  f.wait_until_watched(bad);
  std::thread client{[&] {
    // The daemon dies before it answers.
    CHECK_THROWS(f.execute("once", bad));
  }};
  eventually("the command to run", 60, [&] { return f.running_version() == "v1"; });
  const HttpAnswer meanwhile = f.execute("once", bad);
  CHECK(meanwhile.status == 409);
  f.daemon().kill();
  client.join();
  f.restart_daemon();
  const HttpAnswer again = f.execute("once", bad);
  CAPTURE(again.body);
  CHECK(is_replay(again));
  // The command was interrupted: nobody knows what it did, and nothing is tried again.
  CHECK(again.status == 500);
  CHECK(json::parse(again.body).value("event_id", "") ==
        f.ask("select event_id from ops.rollback_events where deployment_id = '" + bad + "'"));
  CHECK(f.rollbacks_of(bad) == "1");
  CHECK(f.execute("once", bad).body == again.body);
  CHECK(f.ask("select count(*) from ops.request_keys where status = 500") == "0");
}

TEST_CASE("idempotency: of ten that ask at the same time one rolls back; all learn the same") {
  Keys f;
  f.deployed_long_ago("v1");
  const std::string bad = f.deploy("v2");
  f.wait_until_watched(bad);
  std::atomic<int> done{0};
  std::atomic<int> busy{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 10; ++i) {
    clients.emplace_back([&] {
      const int status = f.execute("once", bad).status;
      done += status == 200 ? 1 : 0;
      busy += status == 409 ? 1 : 0;
    });
  }
  for (std::thread& client : clients) {
    client.join();
  }
  CHECK(done >= 1);
  CHECK(done + busy == 10);
  CHECK(f.rollbacks_of(bad) == "1");
  const HttpAnswer later = f.execute("once", bad);
  CHECK(later.status == 200);
  CHECK(is_replay(later));
  CHECK(f.send("once", "POST", "", {{"deployment_id", bad}, {"trigger_reason", "other"}}).status ==
        422);
  CHECK(f.wait_for_end(bad) == "success");
  f.daemon().kill();
  f.restart_daemon();
  CHECK(f.execute("once", bad).body == later.body);
  CHECK(f.rollbacks_of(bad) == "1");
}

TEST_CASE(
    "idempotency: a deployment is recorded and changed once, over a restart, and who did it is "
    "kept") {
  Keys f;
  const json body{{"environment", "production"},
                  {"version", "v9"},
                  {"git_commit", "abc"},
                  {"git_branch", "main"},
                  {"initiated_by", person}};
  const HttpAnswer first = f.send("deploy-1", "POST", "/deployments", body);
  CHECK(first.status == 201);
  f.daemon().kill();
  f.restart_daemon();
  const HttpAnswer second = f.send("deploy-1", "POST", "/deployments", body);
  CHECK(second.status == 201);
  CHECK(second.body == first.body);
  CHECK(is_replay(second));
  CHECK(f.ask("select string_agg(concat_ws(' ', deployed_by, metadata->>'recorded_by',"
              " metadata->>'initiated_by'), ',') from ops.deployments") ==
        person + " actor " + person);
  const std::string id = json::parse(first.body).value("deployment_id", "");
  const HttpAnswer changed =
      f.send("change-1", "PATCH", "/deployments/" + id, {{"status", "success"}});
  CHECK(changed.status == 200);
  f.ask("update ops.deployments set status = 'failed' returning 1");
  const HttpAnswer changed_again =
      f.send("change-1", "PATCH", "/deployments/" + id, {{"status", "success"}});
  CHECK(changed_again.body == changed.body);
  CHECK(f.ask("select concat_ws(' ', status, metadata->>'changed_by', metadata->>'changed_to')"
              " from ops.deployments") == "failed actor success");
}

TEST_CASE("idempotency: who is a stranger to auth.users is recorded beside, not instead") {
  Keys f;
  f.ask(
      "create schema auth; create table auth.users (id uuid primary key);"
      " alter table ops.deployments add foreign key (deployed_by) references auth.users (id);"
      " alter table ops.rollback_events add foreign key (initiated_by) references auth.users (id);"
      " select 1");
  f.deployed_long_ago("v1");
  const HttpAnswer recorded = f.send("d", "POST", "/deployments",
                                     {{"environment", "production"},
                                      {"version", "v2"},
                                      {"git_commit", "abc"},
                                      {"git_branch", "main"},
                                      {"initiated_by", person}});
  CHECK(recorded.status == 201);
  const std::string bad = json::parse(recorded.body).value("deployment_id", "");
  CHECK(f.ask("select concat_ws(' ', deployed_by is null, metadata->>'initiated_by')"
              " from ops.deployments where version = 'v2'") == "t " + person);
  f.wait_until_watched(bad);
  CHECK(f.send("e", "POST", "",
               {{"deployment_id", bad}, {"trigger_reason", "x"}, {"initiated_by", person}})
            .status == 200);
  CHECK(f.wait_for_end(bad) == "success");
  CHECK(f.ask("select concat_ws(' ', initiated_by is null, metadata->>'initiated_by',"
              " metadata->>'token') from ops.rollback_events") == "t " + person + " actor");
  CHECK(f.ask("select count(*) from ops.roman_events where event_type = 'rollback_initiated' and"
              " metadata->>'initiated_by' = '" +
              person + "' and metadata->>'token' = 'actor'") == "1");
}

TEST_CASE("idempotency: a pause is made once; it and its end are told with the token") {
  Keys f;
  CHECK(f.send("p", "POST", "/pause", {{"reason", "work"}, {"initiated_by", person}}).status ==
        200);
  eventually("the pause to be told", 60, [&] {
    return f.ask(
               "select count(*) from ops.roman_events where event_type = 'pause' and"
               " metadata->>'by' = '" +
               person + "' and metadata->>'token' = 'actor'") == "1";
  });
  CHECK(f.send("r", "POST", "/resume", {{"reason", "done"}}).status == 200);
  const HttpAnswer again =
      f.send("p", "POST", "/pause", {{"reason", "work"}, {"initiated_by", person}});
  CHECK(is_replay(again));
  CHECK(f.ask("select paused from ops.control") == "f");
  eventually("its end to be told", 60, [&] {
    return f.ask(
               "select count(*) from ops.roman_events where event_type = 'resume' and"
               " metadata->>'by' = 'actor' and metadata->>'token' = 'actor'") == "1";
  });
  CHECK(f.ask("select count(*) from ops.roman_events where event_type = 'pause'") == "1");
}

TEST_CASE("idempotency: keys that are a day old are forgotten") {
  Keys f;
  CHECK(f.send("old", "POST", "/pause", {{"reason", "work"}}).status == 200);
  // It is kept after it was given, with that moment.
  eventually("the answer to be kept", 60, [&] {
    return f.ask("select count(*) from ops.request_keys where status = 200") == "1";
  });
  f.ask("update ops.request_keys set kept_at = now() - interval '25 hours' returning 1");
  CHECK(f.send("new", "POST", "/resume", {{"reason", "work"}}).status == 200);
  const HttpAnswer again = f.send("old", "POST", "/pause", {{"reason", "other work"}});
  CHECK(again.status == 200);
  CHECK_FALSE(is_replay(again));
  eventually("the answers to be kept", 60, [&] {
    return f.ask(
               "select count(*) from ops.request_keys where status = 200 and kept_at > now() -"
               " interval '1 hour'") == "2";
  });
}

// The old leader looked for the key before the new one was asked, and goes on after it: it was
// stopped in between.
TEST_CASE("idempotency: what two daemons are asked for is done by one of them") {
  TwoLeaders f;
  const rollbackd::engine::NewDeployment deployment{
      "production", "api",  "v1",
      "abc",        "main", rollbackd::rules::DeploymentStatus::in_progress,
      "ci",         {},     {"ci", "record", "same"}};
  CHECK(f.answer_to([&](auto on) { f.second.record(deployment, on); }).has_value());
  const auto late = f.answer_to([&](auto on) { f.first.record(deployment, on); });
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().what.find("has been carried out meanwhile") != std::string::npos);
  CHECK(query(f.conninfo(), "select count(*) from ops.deployments") == "1");

  rollbackd::engine::StatusChange change{
      *rollbackd::rules::DeploymentId::parse(
          query(f.conninfo(), "select deployment_id from ops.deployments")),
      rollbackd::rules::DeploymentStatus::success,
      {},
      {"ci", "change", "same"}};
  CHECK(f.answer_to([&](auto on) { f.second.change_status(change, on); }).has_value());
  rows(f.conninfo(), "update ops.deployments set status = 'failed'");
  CHECK_FALSE(f.answer_to([&](auto on) { f.first.change_status(change, on); }).has_value());
  CHECK(query(f.conninfo(), "select status from ops.deployments") == "failed");

  // After a day it is another request.
  rows(f.conninfo(), "update ops.request_keys set kept_at = now() - interval '25 hours'");
  CHECK(f.answer_to([&](auto on) { f.first.record(deployment, on); }).has_value());
  CHECK(query(f.conninfo(), "select count(*) from ops.deployments") == "2");
}
