// rollbackctl as a person and a pipeline use it, against the real daemon.

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <set>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/http_relay.hpp"
#include "tests/support/http_stub.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

namespace {

struct Terminal : Stage {
  using Stage::Stage;

  HttpRelay relay{http_port()};

  int ctl(std::vector<std::string> arguments, const std::string& token = "acting-token") {
    arguments.insert(arguments.begin(),
                     {ROLLBACKCTL_PROGRAM, "--server", relay.url(), "--token", token});
    said.clear();
    return run_program(arguments, said);
  }
  [[nodiscard]] bool says(const std::string& part) const {
    return said.find(part) != std::string::npos;
  }

  std::string said;
};

void check_looks(Terminal& f) {
  CHECK(f.ctl({"status"}) == 0);
  CAPTURE(f.said);
  CHECK(f.says("production/app  v2.5.3"));
  CHECK(f.says("0 / 5"));
  CHECK(f.says("0 / 50"));
  CHECK_FALSE(f.says("\033["));
  CHECK(f.ctl({"status", "--json"}) == 0);
  CHECK(json::parse(f.said)["deployments"][0]["error_rate_above"] == 5);
  CHECK(f.ctl({"check", "v2.5.3"}) == 0);
  CHECK(f.ctl({"gate", "v2.5.3", "--timeout", "3s"}) == 4);
  CHECK(f.says("not passed within 3 s: in_progress, healthy"));
}

// Without a terminal nothing is done without --yes.
void check_plan(Terminal& f) {
  CHECK(f.ctl({"rollback", "v2.5.3", "--reason", "wrong prices", "--dry-run"}) == 0);
  CAPTURE(f.said);
  CHECK(f.says("production/app → v1 (commit commit-of-v1)"));
  CHECK(f.says("Constitutional validation: PASSED"));
  CHECK(f.ctl({"rollback", "v2.5.3", "--reason", "wrong prices"}) == 5);
  CHECK(f.says("--yes says yes"));
  // What follows the name of a precondition is the deployment.
  CHECK(f.ctl({"rollback", "--override", "migration", "v2.5.3", "--reason", "x", "--dry-run"}) ==
        0);
  CHECK(f.ask("select count(*) from ops.rollback_events") == "0");
}

void check_pause(Terminal& f) {
  CHECK(f.ctl({"pause", "--reason", "database work"}) == 0);
  CHECK(f.ctl({"rollback", "v2.5.3", "--reason", "x", "--yes"}) == 5);
  CAPTURE(f.said);
  CHECK(f.says("rollbackctl: Paused"));
  CHECK(f.says("by actor for "));
  CHECK(f.says(": database work"));
  CHECK(f.says("--override paused"));
  CHECK(f.ctl({"status"}) == 0);
  CHECK(f.says("PAUSED by actor"));
  CHECK(f.ctl({"resume"}) == 0);
  CHECK(f.ctl({"resume", "--breaker", "production"}) == 5);
  CHECK(f.says("No open breaker"));
}

void check_mistakes(Terminal& f, const std::string& deployment) {
  CHECK(f.ctl({"check", "v2.5.4"}) == 5);
  CAPTURE(f.said);
  CHECK(f.says("no deployment is, or begins with, v2.5.4; there are, for example:"));
  CHECK(f.says("  v2.5.3  " + deployment));
  CHECK(f.ctl({"show", "1234"}) == 5);
  CHECK(f.says("there was none yet"));
  CHECK(f.ctl({"status"}, "wrong") == 6);
  CHECK(f.says("Unknown token"));
  CHECK(f.says("The token comes from --token, ROLLBACKD_TOKEN or "));
  CHECK(f.ctl({"pause", "--reason", "x"}, "test-token") == 6);
  CHECK(f.ctl({"record", "--environment", "production"}) == 2);
  CHECK(f.ctl({"gate", "v1", "--timeout", "soon"}) == 2);
  CHECK(f.ctl({"nonsense"}) == 2);
}

void check_rollback(Terminal& f, const std::string& bad) {
  CHECK(f.ctl({"rollback", bad.substr(0, 8), "--reason", "wrong prices", "--yes", "--initiated-by",
               "00000000-0000-4000-8000-000000000001"}) == 0);
  CAPTURE(f.said);
  CHECK(f.says("  success  trigger_deploy  "));
  CHECK(f.says("  skipped  revert_migrations"));
  CHECK(f.says("Rollback complete  "));
  CHECK(f.running_version().starts_with("v1"));
  CHECK(f.ctl({"show", "v2.5.3"}) == 0);
  CHECK(f.says("manual, decided "));
  CHECK(f.says("asked for by 00000000-0000-4000-8000-000000000001"));
  CHECK(f.ctl({"show", bad}) == 0);  // as gate says it
  CHECK(f.says("manual, decided "));
  CHECK(f.ctl({"history"}) == 0);
  CHECK(f.says("wrong prices"));
  CHECK(f.ctl({"gate", bad, "--timeout", "5s"}) == 3);
}

// What serves is the replacement, and what was rolled back is superseded.
void check_refusals(Terminal& f, const std::string& bad) {
  CHECK(f.ctl({"rollback", bad, "--reason", "again", "--yes"}) == 5);
  CAPTURE(f.said);
  CHECK(f.says("superseded: Another deployment is current"));
  CHECK(f.says("--override superseded --reason WHY sets it aside"));
  CHECK(f.ctl({"record", "--deployment", bad, "--status", "success"}) == 5);
  CHECK(f.says("A rollback keeps the status"));
  CHECK(f.says("rollbackctl show "));
}

// Nobody rolled it back, which is what a gate's 3 would say.
void check_failed(Terminal& f) {
  CHECK(f.ctl({"record", "--environment", "production", "--version", "v2.5.5", "--commit", "abd",
               "--branch", "main"}) == 0);
  const std::string failed = f.said.substr(0, f.said.find('\n'));
  CHECK(f.ctl({"record", "--deployment", failed, "--status", "failed"}) == 0);
  CHECK(f.ctl({"gate", failed, "--timeout", "30s"}) == 1);
  CAPTURE(f.said);
  CHECK(f.says("its status is failed"));
}

}  // namespace

TEST_CASE("rollbackctl: from a deployment to its manual rollback") {
  Terminal f;
  f.deployed_long_ago("v1");
  CHECK(f.ctl({"record", "--environment", "production", "--version", "v2.5.3", "--commit", "abc",
               "--branch", "main"}) == 0);
  const std::string bad = f.said.substr(0, f.said.find('\n'));
  f.wait_until_watched(bad);
  check_looks(f);
  check_plan(f);
  check_pause(f);
  check_mistakes(f, bad);
  check_rollback(f, bad);
  check_refusals(f, bad);
  check_failed(f);
}

TEST_CASE("rollbackctl: an answer that is lost after the daemon acted makes nothing happen twice") {
  Terminal f{"mode: ask\n"};
  f.deployed_long_ago("v1");
  // Runs it with its first two answers lost: it asks three times, with one key.
  std::set<std::string> keys;
  const auto run = [&](const std::vector<std::string>& arguments) {
    const std::size_t before = f.relay.keyed_requests().size();
    f.relay.lose_answers(2);
    const int code = f.ctl(arguments);
    INFO(f.said);
    CHECK(f.says("does not say what became of it"));
    auto asked = f.relay.keyed_requests();
    asked.erase(asked.begin(), asked.begin() + static_cast<std::ptrdiff_t>(before));
    CHECK(asked == std::vector<std::string>(3, asked.at(0)));
    CHECK(keys.insert(asked[0].substr(0, asked[0].find(' '))).second);
    return code;
  };
  CHECK(run({"record", "--environment", "production", "--version", "v2", "--commit", "abc",
             "--branch", "main"}) == 0);
  CHECK(f.ask("select count(*) from ops.deployments where version = 'v2'") == "1");
  const std::string bad = f.ask("select deployment_id from ops.deployments where version = 'v2'");
  CHECK(f.says(bad));
  f.wait_until_watched(bad);

  CHECK(run({"pause", "--reason", "work"}) == 0);
  CHECK(run({"resume"}) == 0);
  eventually("the resume to be told", 60, [&] {
    return f.ask(
               "select string_agg(event_type, ' ' order by id) from ops.roman_events where"
               " event_type in ('pause', 'resume')") == "pause resume";
  });
  // What was refused without a trace is refused again.
  CHECK(run({"resume", "--breaker", "production"}) == 5);

  f.log_errors(6);
  const auto proposed = [&f] {
    std::string event;
    eventually("the proposal", 60, [&] {
      event = f.ask("select max(event_id::text) from ops.rollback_events where status = 'pending'");
      return !event.empty();
    });
    return event;
  };
  const std::string event = proposed();
  CHECK(run({"approve", event, "--reason", "yes"}) == 0);
  CHECK(f.says("Rollback complete"));
  CHECK(f.program_runs() == 1);
  CHECK(f.ask("select count(*) from ops.roman_events where event_type = 'rollback_approved'") ==
        "1");

  const std::string next = f.deploy("v3");
  f.wait_until_watched(next);
  CHECK(run({"rollback", "v3", "--reason", "wrong prices", "--yes"}) == 0);
  CHECK(f.says("Rollback complete"));
  CHECK(f.program_runs() == 2);
  CHECK(f.ask("select count(*) from ops.rollback_events where deployment_id = '" + next + "'") ==
        "1");

  const std::string pending = f.deploy("v4", "pending");
  eventually("the row to be known", 60, [&] { return f.check(pending).status == 200; });
  CHECK(run({"record", "--deployment", pending, "--status", "success"}) == 0);
  CHECK(f.ask("select status from ops.deployments where deployment_id = '" + pending + "'") ==
        "success");
}

TEST_CASE(
    "rollbackctl: a daemon that is not ready is asked again, one that does not lead as well") {
  HttpStub daemon;
  daemon.next({503, R"({"error":"Not the leader","details":"db2 leads. Ask there."})"});
  daemon.next({503, R"({"error":"Not ready","details":"ask again"})"});
  daemon.next({409, R"({"error":"Request under way","details":"ask again"})"});
  daemon.next({502, "<html>bad gateway</html>"});
  daemon.otherwise({409, R"({"error":"Carried out before","details":"its answer was lost"})"});
  std::string said;
  CHECK(run_program({ROLLBACKCTL_PROGRAM, "--server", daemon.url(""), "pause", "--reason", "x"},
                    said) == 0);
  CAPTURE(said);
  CHECK(said.find("(Not the leader); asking again for up to 30 s") != std::string::npos);
  CHECK(said.find("Paused: nothing is rolled back") != std::string::npos);
  const auto requests = daemon.requests();
  REQUIRE(requests.size() == 5);
  for (const StubRequest& request : requests) {
    CHECK(request.header("idempotency-key") == requests[0].header("idempotency-key"));
  }
}

TEST_CASE("rollbackctl: no server, a stranger's server, and a file that says where it is") {
  std::string said;
  const ClosedPort closed;
  CHECK(run_program({ROLLBACKCTL_PROGRAM, "--server", closed.url(""), "status"}, said) == 6);
  CHECK(said.find("Is it running? Say where with --server or ROLLBACKD_SERVER.") !=
        std::string::npos);

  HttpStub stranger;
  stranger.otherwise({404, "<html>nothing here</html>"});
  said.clear();
  CHECK(run_program({ROLLBACKCTL_PROGRAM, "--server", stranger.url(""), "status"}, said) == 6);
  CHECK(said.find("not as rollbackd does") != std::string::npos);

  HttpStub daemon;
  daemon.otherwise({200, R"({"deployments": [], "role": "leader", "leader": "", "breakers": []})"});
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("ctl-" + std::to_string(daemon.port()));
  std::filesystem::create_directory(folder);
  std::ofstream{folder / "token"} << "from-a-file\n";
  std::ofstream{folder / "ctl.yaml"} << "server: " << daemon.url("") << "\ntoken_file: token\n";
  said.clear();
  CHECK(run_program({ROLLBACKCTL_PROGRAM, "--config", (folder / "ctl.yaml").string(), "status"},
                    said) == 0);
  CHECK(daemon.requests().back().header("authorization") == "Bearer from-a-file");
  std::ofstream{folder / "ctl.yaml"} << "sever: x\n";
  said.clear();
  CHECK(run_program({ROLLBACKCTL_PROGRAM, "--config", (folder / "ctl.yaml").string(), "status"},
                    said) == 2);
  CHECK(said.find("unknown key \"sever\"") != std::string::npos);
  said.clear();
  CHECK(run_program({ROLLBACKCTL_PROGRAM, "--config", folder.string(), "status"}, said) == 2);
  CHECK(said.find("is a folder") != std::string::npos);
  std::filesystem::remove_all(folder);
}

// Names are looked up in a thousand rows, which are several MB where there were so many.
TEST_CASE("rollbackctl: a long history is read whole") {
  HttpStub daemon;
  json rows = json::array();
  for (int i = 0; i < 500; ++i) {
    rows.push_back({{"event_id", "d9a64251-0000-4000-8000-" + std::to_string(100'000'000'000 + i)},
                    {"rollback_plan", {{"version", "v" + std::to_string(i)}}},
                    {"rollback_steps", std::string(7'000, 'x')},
                    {"trigger_reason", "reason " + std::to_string(i) + "."}});
  }
  daemon.otherwise({200, json{{"rollbacks", rows}}.dump()});
  std::string said;
  const int code = run_program({ROLLBACKCTL_PROGRAM, "--server", daemon.url(""), "history"}, said);
  INFO(said.substr(0, 300));
  CHECK(code == 0);
  CHECK(said.find("reason 499.") != std::string::npos);
}

TEST_CASE("rollbackctl: a version proposed in two services is approved in neither by its name") {
  HttpStub daemon;
  const auto row = [](char digit, const char* environment) {
    const std::string id = std::string(8, digit) + "-0000-4000-8000-000000000001";
    return json{{"event_id", id},   {"deployment_id", id}, {"environment", environment},
                {"service", "api"}, {"status", "pending"}, {"rollback_plan", {{"version", "v2"}}}};
  };
  const json rows{
      {"rollbacks", {row('1', "staging"), row('2', "production"), row('3', "production")}}};
  daemon.otherwise({200, rows.dump()});
  std::string said;
  CHECK(run_program(
            {ROLLBACKCTL_PROGRAM, "--server", daemon.url(""), "approve", "v2", "--reason", "yes"},
            said) == 5);
  CAPTURE(said);
  CHECK(said.find("v2 can mean 2 rollbacks; name one by its event_id:") != std::string::npos);
  CHECK(said.find("rollback 11111111-0000-4000-8000-000000000001  staging/api") !=
        std::string::npos);
  for (const StubRequest& request : daemon.requests()) {
    CHECK(request.method == "GET");
  }
}

// A pipeline must not take the page of a proxy for "healthy", nor end without a word.
TEST_CASE("rollbackctl: what answers 200 and is no rollbackd is told so, whatever it answers") {
  HttpStub stranger;
  for (const char* body : {"<html>welcome</html>", "[1]", "{}", "7", R"({"deployments":5})",
                           R"({"deployments":[],"rollbacks":{}})"}) {
    CAPTURE(body);
    stranger.otherwise({200, body});
    for (const std::vector<std::string>& command : {std::vector<std::string>{"check", "v1"},
                                                    {"history"},
                                                    {"gate", "v1", "--timeout", "1s"}}) {
      std::vector<std::string> arguments{ROLLBACKCTL_PROGRAM, "--server", stranger.url("")};
      arguments.insert(arguments.end(), command.begin(), command.end());
      std::string said;
      const int code = run_program(arguments, said);
      CAPTURE(said);
      // An empty list of deployments is an answer: there is none called v1.
      CHECK((code == 6 || (code == 5 && said.find("none is recorded") != std::string::npos)));
    }
  }
  // Kinds that are not what was meant, and control characters, are no news.
  stranger.otherwise({200, R"({"deployments":[{"version":"v1","current":"yes","state":7},5,
      {"version":"v1","status":"\u001b[2Jgone"}],"pause":5,"breakers":{}})"});
  std::string said;
  CHECK(run_program({ROLLBACKCTL_PROGRAM, "--server", stranger.url(""), "status"}, said) == 0);
  CHECK(said.find("gone") != std::string::npos);
  CHECK(said.find('\033') == std::string::npos);
  said.clear();
  CHECK(
      run_program({ROLLBACKCTL_PROGRAM, "--server", stranger.url(""), "pause", "--reason", "\xff"},
                  said) == 0);
}

TEST_CASE("rollbackctl: watch ends when nobody reads it any more") {
  HttpStub daemon;
  daemon.otherwise({200, R"({"deployments": [], "role": "leader", "leader": "", "breakers": []})"});
  std::string said;
  CHECK(run_program({"/usr/bin/timeout", "60", "sh", "-c",
                     std::string{ROLLBACKCTL_PROGRAM} + " --server " + daemon.url("") +
                         " watch | grep -m1 leader"},
                    said) == 0);
  CHECK(said == "rollbackd leader\n");
}

TEST_CASE("rollbackctl: in a terminal there are colours, with NO_COLOR there are none") {
  HttpStub daemon;
  daemon.otherwise(
      {200, R"({"deployments": [{"environment": "production", "service": "app", "version": "v1",
        "state": "healthy"}], "role": "leader", "leader": "", "breakers": []})"});
  const auto in_terminal = [&daemon](const std::string& variables) {
    std::string said;
    run_program({"/usr/bin/env", "TERM=xterm", "script", "-qec",
                 variables + " " + ROLLBACKCTL_PROGRAM + " --server " + daemon.url("") + " status",
                 "/dev/null"},
                said);
    return said;
  };
  CHECK(in_terminal("").find("\033[32mhealthy\033[0m") != std::string::npos);
  const std::string plain = in_terminal("NO_COLOR=1");
  CHECK(plain.find("healthy") != std::string::npos);
  CHECK(plain.find("\033[") == std::string::npos);
}
