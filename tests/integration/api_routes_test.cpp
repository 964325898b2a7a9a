// Every route of the API with each of its answers, asked of the real daemon. What goes over the
// wire here is held against the API's document by tests/openapi.

#include <array>
#include <filesystem>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

namespace {

const std::string nobody = "00000000-0000-4000-8000-000000000000";

struct Routes : Stage {
  using Stage::Stage;

  json ask(const std::string& method, const std::string& path, const std::string& body, int status,
           const std::string& token = "acting-token", const std::string& fields = "") {
    const HttpAnswer answer =
        http_request(http_port(), method, "/auto-rollback" + path, body, token, fields);
    CAPTURE(method);
    CAPTURE(path);
    CAPTURE(answer.body);
    CHECK(answer.status == status);
    return json::parse(answer.body, nullptr, false);
  }
  json execute(const std::string& deployment, int status, json more = json::object(),
               const std::string& fields = "") {
    more.update({{"deployment_id", deployment}, {"trigger_reason", "wrong prices"}});
    return ask("POST", "", more.dump(), status, "acting-token", fields);
  }
};

std::string about(const std::string& event) {
  return json{{"event_id", event}, {"reason", "known"}}.dump();
}

}  // namespace

TEST_CASE("routes: what is told without a token, and what nobody knows") {
  const Stage f;
  for (const char* path : {"/", "/openapi.json", "/metrics", "/healthz", "/readyz"}) {
    CAPTURE(path);
    CHECK(http_request(f.http_port(), "GET", path).status == 200);
    CHECK(http_request(f.http_port(), "POST", path, "{}").status == 405);
  }
  CHECK(http_request(f.http_port(), "GET", "/help").body.find("/openapi.json") !=
        std::string::npos);
}

TEST_CASE("routes: a token is asked for, and its scope") {
  Routes f;
  const std::string unknown = json{{"deployment_id", nobody}, {"trigger_reason", "x"}}.dump();
  const std::vector<std::array<std::string, 3>> acting{
      {"POST", "", unknown},
      {"POST", "/approve", about(nobody)},
      {"POST", "/abort", about(nobody)},
      {"POST", "/pause", R"({"reason":"x"})"},
      {"POST", "/resume", R"({"reason":"x"})"},
      {"POST", "/deployments",
       R"({"environment":"e","version":"v","git_commit":"c","git_branch":"b"})"},
      {"PATCH", "/deployments/" + nobody, R"({"status":"failed"})"}};
  for (const auto& [method, path, body] : acting) {
    f.ask(method, path, body, 401, "");
    f.ask(method, path, body, 401, "wrong-token");
    f.ask(method, path, body, 403, "test-token");
    f.ask(method, path, "{", 400);
    f.ask(method, path, "{}", 400);
  }
  const std::string deployment = json{{"deployment_id", nobody}}.dump();
  f.ask("POST", "/check", deployment, 401, "");
  f.ask("POST", "/check", deployment, 404, "test-token");
  f.ask("POST", "/check", "{}", 400, "test-token");
  for (const std::string& path : {std::string{"/history"}, std::string{"/deployments"},
                                  "/events/" + nobody, "/events/" + nobody + "/stream"}) {
    f.ask("GET", path, "", 401, "");
  }
  for (const char* path : {"/history?limit=0", "/history?deployment_id=x", "/deployments?limit=x",
                           "/events/x", "/events/x/stream"}) {
    f.ask("GET", path, "", 400, "test-token");
  }
  f.ask("GET", "/events/" + nobody, "", 404, "test-token");
  f.ask("GET", "/events/" + nobody + "/stream", "", 404, "test-token");
  f.ask("POST", "/approve", about(nobody), 404);
  f.ask("POST", "/abort", about(nobody), 404);
  f.ask("POST", "/resume", R"({"reason":"x","breaker":"production"})", 404);
  f.ask("PATCH", "/deployments/" + nobody, R"({"status":"failed"})", 404);
}

TEST_CASE("routes: a rollback from the record of its deployment to its end") {
  // Long enough for what is asked while it goes on.
  Routes f{"", {}, {{"window: 2s", "window: 5s"}}};
  f.deployed_long_ago("v1");
  const json row = f.ask("POST", "/deployments",
                         json{{"environment", "production"},
                              {"version", "v2"},
                              {"git_commit", "abc"},
                              {"git_branch", "main"},
                              {"status", "pending"}}
                             .dump(),
                         201);
  const std::string bad = row.value("deployment_id", "");
  eventually("the row to be known", 60, [&] { return f.check(bad).status == 200; });
  // It does not serve yet.
  CHECK(f.execute(bad, 403)["validation"].value("compliant", true) == false);
  f.ask("PATCH", "/deployments/" + bad, R"({"status":"in_progress"})", 200);
  f.wait_until_watched(bad);
  CHECK(f.ask("POST", "/check", json{{"deployment_id", bad}}.dump(), 200)["health"].value("healthy",
                                                                                          false));
  CHECK(f.execute(bad, 200, {{"dry_run", true}}).value("dry_run", false));
  f.execute(nobody, 404);
  CHECK(f.execute(bad, 400, {{"override", json::array({"nonsense"})}}).contains("details"));

  f.ask("POST", "/pause", R"({"reason":"work"})", 200);
  // What goes into a record is cut, and not in the middle of a character.
  f.ask("POST", "/pause", json{{"reason", std::string(1999, 'x') + "ä"}}.dump(), 200);
  CHECK(f.execute(bad, 409).value("error", "") == "Paused");
  f.ask("POST", "/resume", R"({"reason":"done"})", 200);

  const std::string event = f.execute(bad, 200).value("event_id", "");
  CHECK(f.execute(bad, 409).value("event_id", "") == event);
  CHECK(f.ask("POST", "/abort", about(event), 409).value("error", "") == "Already dispatched");
  f.ask("POST", "/approve", about(event), 409);
  // The stream begins with what is, and lasts until the end.
  const HttpAnswer stream = http_request(
      f.http_port(), "GET", "/auto-rollback/events/" + event + "/stream", "", "test-token");
  CHECK(stream.status == 200);
  CHECK(stream.body.find("event: end\ndata: {") != std::string::npos);
  CHECK(f.Stage::ask("select status from ops.rollback_events where event_id = '" + event + "'") ==
        "success");
  // What keeps the status is the rollback, and not the request that was refused meanwhile.
  CHECK(
      f.ask("PATCH", "/deployments/" + bad, R"({"status":"success"})", 409).value("event_id", "") ==
      event);

  CHECK(
      f.ask("GET", "/history?status=success&environment=production", "", 200)["rollbacks"].size() ==
      1);
  CHECK(f.ask("GET", "/events/" + event, "", 200).value("status", "") == "success");
  for (const char* query : {"", "?current=true", "?version=v2&status=rolled_back"}) {
    CHECK(f.ask("GET", "/deployments" + std::string{query}, "", 200)["deployments"].size() >= 1);
  }
}

TEST_CASE(
    "routes: nowhere to go back to, a deploy that fails, one that is waited for, and no database") {
  Routes f;
  const std::string lonely = f.deploy("v1", "in_progress", "lonely");
  f.deployed_long_ago("v1");
  const std::string bad = f.deploy("v2");
  f.deployed_long_ago("v1", "web");
  const std::string web = f.deploy("v2", "in_progress", "web");
  f.deployed_long_ago("v1", "late");
  const std::string late = f.deploy("v2", "in_progress", "late");
  for (const std::string& deployment : {lonely, bad, web, late}) {
    f.wait_until_watched(deployment);
  }
  CHECK(f.execute(lonely, 404).value("error", "") == "No valid rollback target found");
  CHECK(f.execute(bad, 200, {}, "Prefer: wait=60\r\n").value("status", "") == "success");

  // What the command writes to is no file any more.
  std::filesystem::remove(f.program_file());
  std::filesystem::create_directory(f.program_file());
  CHECK(f.execute(web, 500).value("error", "") == "Rollback execution failed");

  // From the first moment on nothing is said not to be there: nobody knows.
  f.postgres().stop();
  f.execute(lonely, 503);
  f.execute(lonely, 503, {{"dry_run", true}});
  const json unread = f.execute(nobody, 503);
  CHECK(unread.value("details", "").find("/readyz says what is wrong") != std::string::npos);
  f.ask("POST", "/check", json{{"deployment_id", nobody}}.dump(), 503);
  f.ask("POST", "/approve", about(nobody), 503);
  f.execute(late, 503);
  f.ask("GET", "/history", "", 503);
  f.wait_for_readiness(503);
}

// jsonb holds numbers that no double does, and applications nest as they like.
TEST_CASE("routes: what somebody writes into metadata ends neither the daemon nor an answer") {
  Routes f;
  const std::string odd = f.deploy("odd");
  f.wait_until_watched(odd);
  for (const char* metadata : {R"('{"n": 1e400}')", "jsonb_build_array(repeat('9', 400)::numeric)",
                               "(repeat('[', 3000) || repeat(']', 3000))::jsonb"}) {
    CAPTURE(metadata);
    f.Stage::ask("update ops.deployments set metadata = " + std::string{metadata});
    const json rows = f.ask("GET", "/deployments", "", 200);
    CHECK(rows["deployments"][0]["state"] == "healthy");
    f.ask("PATCH", "/deployments/" + odd, R"({"status":"success"})", 200);
    f.ask("GET", "/history", "", 200);
  }
  CHECK(http_request(f.http_port(), "GET", "/healthz").status == 200);
}
