// What is between the daemon and its database fails, in every way there is. Each ends with memory
// equal to SQL, and with the daemon ready again by itself.

#include <chrono>
#include <cmath>
#include <csignal>
#include <fstream>
#include <optional>
#include <sstream>

#include <doctest/doctest.h>

#include "engine/database/doorbell_names.hpp"
#include "tests/support/stage.hpp"
#include "tests/support/tcp_proxy.hpp"
#include "tests/support/traffic.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using rollbackd::engine::doorbell_key;
using rollbackd::engine::leader_key;

namespace {

// Nothing is to be rolled back: what is asked is whether the counts are right.
constexpr const char* quiet =
    "triggers: [{name: many, signal: errors, window: 5m, above: 1000000, action: rollback}]\n";

const PostgresOptions over_tcp{{}, true};

// A server, and the daemon behind a link that can be hurt. The stage's own questions do not go over
// the link.
class Linked {
 public:
  Linked()
      : stage{quiet,
              over_tcp,
              {},
              {[this](Postgres& postgres) {
                 proxy.emplace(static_cast<std::uint16_t>(postgres.port()));
                 return "host=127.0.0.1 port=" + std::to_string(proxy->port()) +
                        " dbname=app user=rollbackd sslmode=disable";
               },
               true}} {
    deployment = stage.deploy("v1");
    stage.wait_until_watched(deployment);
    stage.wait_for_readiness(200);
  }

  std::optional<TcpProxy> proxy;
  Stage stage;
  std::string deployment;
};

// The newest one's; waits for it, since a session may be connecting still, or again.
std::string pid_of(Stage& stage, const std::string& session) {
  std::string pid;
  eventually(("the session " + session).c_str(), 60, [&] {
    pid = stage.ask("select pid from pg_stat_activity where application_name = 'rollbackd " +
                    session + "' order by backend_start desc limit 1");
    return !pid.empty();
  });
  return pid;
}

int backend_of(Stage& stage, const std::string& session) {
  return std::stoi(pid_of(stage, session));
}

double seconds_since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

std::string read_text(const std::filesystem::path& file) {
  std::ifstream in{file};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

int lines_with(const std::string& text, const std::string& what) {
  std::istringstream in{text};
  int count = 0;
  for (std::string line; std::getline(in, line);) {
    count += line.find(what) != std::string::npos ? 1 : 0;
  }
  return count;
}

std::string holders_of(Stage& stage, std::int64_t key) {
  return query(stage.postgres().conninfo(),
               "select count(*) from pg_locks where locktype = 'advisory' and granted"
               " and mode = 'ExclusiveLock' and objid = " +
                   std::to_string(key & 0xffffffff));
}

// Nothing was decided between the loss of the feed and the rebuild of its windows.
bool judged_in_a_gap(const std::string& log) {
  std::istringstream in{log};
  bool gap = false;
  for (std::string line; std::getline(in, line);) {
    gap = (gap || line.find("event=feed_lost") != std::string::npos) &&
          line.find("event=feed_rebuilt") == std::string::npos;
    if (gap && line.find("event=decision") != std::string::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("the backend of each session killed while rows arrive: nothing lost, nothing twice") {
  Stage stage{quiet};
  const std::string deployment = stage.deploy("v1");
  stage.wait_until_watched(deployment);
  for (const std::string session :
       {"listener", "feed", "doorbell", "sampler", "journal", "leader", "outbox"}) {
    CAPTURE(session);
    const std::string killed = pid_of(stage, session);
    ErrorTraffic traffic{stage.postgres().conninfo()};
    eventually("some rows", 20, [&] { return traffic.committed() > 20; });
    stage.ask("select pg_terminate_backend(" + killed + ")");
    eventually("another backend", 60, [&] { return pid_of(stage, session) != killed; });
    traffic.stop();
    stage.wait_for_readiness(200);
    CHECK(stage.disagreement(deployment) == "");
  }
}

TEST_CASE("kill -9 of one backend, so that the server restarts itself: counts are exact again") {
  Stage stage{quiet};
  const std::string deployment = stage.deploy("v1");
  stage.wait_until_watched(deployment);
  ErrorTraffic traffic{stage.postgres().conninfo()};
  eventually("some rows", 20, [&] { return traffic.committed() > 50; });
  ::kill(backend_of(stage, "feed"), SIGKILL);
  eventually("the server to notice and to restart itself", 60, [&] {
    return stage.postgres().log_tail(10'000).find("all server processes terminated") !=
           std::string::npos;
  });
  const int before = traffic.committed();
  eventually("rows after the restart", 60, [&] { return traffic.committed() > before + 50; });
  traffic.stop();
  stage.wait_for_readiness(200);
  stage.ask_at(stage.postgres());
  CHECK(stage.disagreement(deployment) == "");
  CHECK_FALSE(judged_in_a_gap(stage.daemon().log()));
}

TEST_CASE("a link that stalls without a reset is noticed within 10 s, and heals by itself") {
  Linked linked;
  ErrorTraffic traffic{linked.stage.postgres().conninfo()};
  eventually("some rows", 20, [&] { return traffic.committed() > 50; });
  const auto begun = std::chrono::steady_clock::now();
  linked.proxy->stall();
  linked.stage.wait_for_readiness(503, "", 30);
  const double noticed = seconds_since(begun);
  MESSAGE("noticed after " << noticed << " s");
  CHECK(noticed < 10);
  eventually("the windows to be told as old", 60,
             [&] { return linked.stage.readiness().body.find("windows") != std::string::npos; });
  linked.proxy->heal();
  linked.stage.wait_for_readiness(200);
  traffic.stop();
  CHECK(linked.stage.disagreement(linked.deployment) == "");
  CHECK_FALSE(judged_in_a_gap(linked.stage.daemon().log()));
}

TEST_CASE("a link that stays stalled for good, while new ones work: it goes on over new ones") {
  Linked linked;
  ErrorTraffic traffic{linked.stage.postgres().conninfo()};
  eventually("some rows", 20, [&] { return traffic.committed() > 50; });
  linked.proxy->stall(TcpProxy::Direction::both, TcpProxy::Scope::existing);
  linked.stage.wait_for_readiness(503, "the tables have not been read");
  linked.stage.daemon().wait_for_log({"event=session_stuck", "session=feed"});
  linked.stage.wait_for_readiness(200);
  traffic.stop();
  CHECK(linked.stage.disagreement(linked.deployment) == "");
}

TEST_CASE("a link cut or reset in the middle, again and again: counts are exact") {
  Linked linked;
  ErrorTraffic traffic{linked.stage.postgres().conninfo()};
  for (int round = 0; round < 4; ++round) {
    const int before = traffic.committed();
    eventually("some rows", 20, [&] { return traffic.committed() > before + 30; });
    if (round % 2 == 0) {
      linked.proxy->reset();
    } else {
      linked.proxy->cut();
    }
    linked.proxy->cut_after(5000, TcpProxy::Direction::to_client);
  }
  linked.proxy->heal();
  linked.stage.wait_for_readiness(200);
  traffic.stop();
  linked.stage.wait_for_readiness(200);
  CHECK(linked.stage.disagreement(linked.deployment) == "");
}

TEST_CASE("connections refused for a while: not ready, no storm of attempts, ready again") {
  Linked linked;
  linked.proxy->refuse();
  linked.proxy->reset();
  linked.stage.wait_for_readiness(503);
  linked.stage.log_errors(7);
  const auto begun = std::chrono::steady_clock::now();
  eventually("time to pass", 5, [&] { return seconds_since(begun) > 3; });
  CHECK(linked.stage.readiness().status == 503);
  linked.proxy->heal();
  linked.stage.wait_for_readiness(200);
  CHECK(linked.stage.disagreement(linked.deployment) == "");
  CHECK(linked.stage.check(linked.deployment).body.find("\"recent_errors\":7") !=
        std::string::npos);
}

TEST_CASE(
    "the password changed: the remedy is said, attempts are few, and the new one in its file is "
    "taken without a restart") {
  std::filesystem::path file;
  Stage stage{quiet, over_tcp, {}, {[&](Postgres& postgres) {
                file = postgres.directory() / "password";
                std::ofstream{file} << "first\n";
                query(postgres.conninfo(), "alter role rollbackd password 'first'");
                const auto hba = postgres.data_directory() / "pg_hba.conf";
                const std::string rest = read_text(hba);
                std::ofstream{hba} << "host all rollbackd all scram-sha-256\n" << rest;
                query(postgres.conninfo(), "select pg_reload_conf()");
                return postgres.tcp_conninfo("rollbackd") + "\", password_file: \"" + file.string();
              }}};
  const std::string deployment = stage.deploy("v1");
  stage.wait_until_watched(deployment);
  const auto changed = std::chrono::steady_clock::now();
  query(stage.postgres().conninfo(), "alter role rollbackd password 'second'");
  query(stage.postgres().conninfo(),
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'rollbackd'");
  stage.wait_for_readiness(503, "password_file");
  stage.log_errors(5);
  const auto begun = std::chrono::steady_clock::now();
  eventually("time to pass", 10, [&] { return seconds_since(begun) > 5; });
  const int refused =
      lines_with(stage.postgres().log_tail(10'000), "FATAL:  password authentication failed");
  const double passed = seconds_since(changed);
  MESSAGE(refused << " attempts in " << passed << " s by all sessions together");
  // Each at once, and again after half a second at the earliest, and twice as long each time.
  CHECK(refused <= Stage::connections_told() * (1 + std::log2(1 + 2 * passed)));
  std::ofstream{file} << "second\n";
  stage.wait_for_readiness(200);
  CHECK(stage.disagreement(deployment) == "");
}

TEST_CASE("the server takes no writes any more: nobody leads, it is said, and ends by itself") {
  Stage stage{quiet};
  const std::string deployment = stage.deploy("v1");
  stage.wait_until_watched(deployment);
  query(stage.postgres().conninfo(), "alter system set default_transaction_read_only = on");
  query(stage.postgres().conninfo(), "select pg_reload_conf()");
  stage.daemon().wait_for_log({"event=leadership_lost", "takes no writes"});
  stage.wait_for_readiness(503, "leadership");
  query(stage.postgres().conninfo(), "alter system reset default_transaction_read_only");
  query(stage.postgres().conninfo(), "select pg_reload_conf()");
  stage.wait_for_readiness(200);
  stage.log_errors(3);
  CHECK(stage.disagreement(deployment) == "");
}

TEST_CASE("a backend that stops in the middle of our queries: its socket is shut, and it goes on") {
  Stage stage{quiet};
  const std::string deployment = stage.deploy("v1");
  stage.wait_until_watched(deployment);
  ErrorTraffic traffic{stage.postgres().conninfo()};
  const int stopped = backend_of(stage, "feed");
  ::kill(stopped, SIGSTOP);
  stage.daemon().wait_for_log({"event=session_stuck", "session=feed"});
  stage.wait_for_readiness(200);
  traffic.stop();
  CHECK(stage.disagreement(deployment) == "");
  ::kill(stopped, SIGCONT);
}

TEST_CASE(
    "NOTIFY that is swallowed, because the listener's backend stops, is noticed within 10 s") {
  Stage stage{quiet};
  const std::string deployment = stage.deploy("v1");
  stage.wait_until_watched(deployment);
  const int stopped = backend_of(stage, "listener");
  const auto begun = std::chrono::steady_clock::now();
  ::kill(stopped, SIGSTOP);
  stage.daemon().wait_for_log({"event=feed_deaf"}, 30);
  CHECK(seconds_since(begun) < 10);
  stage.log_errors(4);
  stage.wait_for_readiness(200);
  eventually("another backend", 60, [&] { return backend_of(stage, "listener") != stopped; });
  CHECK(stage.disagreement(deployment) == "");
  ::kill(stopped, SIGCONT);
}

TEST_CASE(
    "the daemon is stopped: its locks are freed and writers never wait; then it is right again") {
  Stage stage{quiet};
  const std::string deployment = stage.deploy("v1");
  stage.wait_until_watched(deployment);
  const auto undisturbed = std::chrono::steady_clock::now();
  stage.log_errors(50);
  const double usual = 4 * seconds_since(undisturbed);
  stage.daemon().signal(SIGSTOP);
  const auto begun = std::chrono::steady_clock::now();
  eventually("K to be freed", 30, [&] { return holders_of(stage, doorbell_key) == "0"; });
  MESSAGE("K was freed after " << seconds_since(begun) << " s");
  eventually("leadership to be freed", 30, [&] { return holders_of(stage, leader_key) == "0"; });
  MESSAGE("leadership was freed after " << seconds_since(begun) << " s");
  const auto writing = std::chrono::steady_clock::now();
  stage.log_errors(200);
  CHECK(seconds_since(writing) < 5 + 3 * usual);
  stage.daemon().signal(SIGCONT);
  eventually("its locks again", 60, [&] {
    return holders_of(stage, doorbell_key) == "1" && holders_of(stage, leader_key) == "1";
  });
  stage.wait_for_readiness(200);
  CHECK(stage.disagreement(deployment) == "");
}

TEST_CASE(
    "the postmaster is stopped: sessions that exist go on, and SIGTERM does not wait for it") {
  Stage stage{quiet};
  const std::string deployment = stage.deploy("v1");
  stage.wait_until_watched(deployment);
  stage.wait_for_readiness(200);
  stage.wait_for_connections();  // none can be made from now on
  const int postmaster = stage.postgres().pid();
  ::kill(postmaster, SIGSTOP);
  stage.log_errors(6);
  CHECK(stage.disagreement(deployment) == "");
  CHECK(stage.readiness().status == 200);
  // Now one session has to connect, and cannot.
  stage.ask("select pg_terminate_backend(" + pid_of(stage, "feed") + ")");
  stage.daemon().wait_for_log({"event=feed_lost"});
  const auto begun = std::chrono::steady_clock::now();
  stage.daemon().signal(SIGTERM);
  CHECK(stage.daemon().wait_for_end() == 0);
  MESSAGE("ended after " << seconds_since(begun) << " s");
  CHECK(seconds_since(begun) < 8);
  ::kill(postmaster, SIGCONT);
}
