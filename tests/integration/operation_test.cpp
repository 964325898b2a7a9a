#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <fstream>
#include <mutex>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/notify_socket.hpp"
#include "tests/support/stage.hpp"

// The daemon under a service manager: what it tells, what a reload takes over, how it ends.

namespace rollbackd::tests {
namespace {

const std::filesystem::path config_name = "rollbackd.yaml";

// As systemd sets them for what is started meanwhile. One thread has the environment here.
class ManagersEnvironment {
 public:
  explicit ManagersEnvironment(const std::string& socket) {
    ::setenv("NOTIFY_SOCKET", socket.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    ::setenv("WATCHDOG_USEC", "600000", 1);        // NOLINT(concurrency-mt-unsafe)
  }
  ~ManagersEnvironment() {
    ::unsetenv("NOTIFY_SOCKET");  // NOLINT(concurrency-mt-unsafe)
    ::unsetenv("WATCHDOG_USEC");  // NOLINT(concurrency-mt-unsafe)
  }
  ManagersEnvironment(const ManagersEnvironment&) = delete;
  ManagersEnvironment& operator=(const ManagersEnvironment&) = delete;
};

// Everything that was said, message by message. It listens all the time, as a service manager does:
// of a socket that nobody reads Linux keeps ten messages, and the daemon does not wait.
class Manager {
 public:
  explicit Manager(bool abstract) : socket_{abstract}, thread_{[this] { listen(); }} {}
  ~Manager() {
    stopping_ = true;
    thread_.join();
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  [[nodiscard]] const std::string& name() const { return socket_.name(); }
  // Waits for a message with this text in it that was not waited for before.
  std::string wait_for(const std::string& text) {
    std::string found;
    eventually(("the message " + text).c_str(), 60, [&] {
      found = next();
      return found.find(text) != std::string::npos;
    });
    return found;
  }
  // What is there by now and was not taken yet, thrown away.
  int drop(const std::string& text) {
    int count = 0;
    for (std::string message = next(); !message.empty(); message = next()) {
      count += message.find(text) != std::string::npos ? 1 : 0;
    }
    return count;
  }

 private:
  void listen() {
    while (!stopping_) {
      if (socket_.hears_within(std::chrono::milliseconds{50})) {
        std::string message = socket_.heard();
        const std::lock_guard lock{mutex_};
        said_.push_back(std::move(message));
      }
    }
  }
  // Empty: there is none yet.
  std::string next() {
    const std::lock_guard lock{mutex_};
    if (said_.empty()) {
      return {};
    }
    std::string message = std::move(said_.front());
    said_.pop_front();
    return message;
  }

  NotifySocket socket_;
  std::mutex mutex_;
  std::deque<std::string> said_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;  // last: it uses the others
};

void write_config(Stage& stage, const std::string& text) {
  std::ofstream{stage.daemon().directory() / config_name} << text;
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const auto at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

void reload(Stage& stage, const std::string& word) {
  const int before = stage.daemon().count_in_log("event=" + word);
  stage.daemon().signal(SIGHUP);
  eventually(word.c_str(), 60,
             [&] { return stage.daemon().count_in_log("event=" + word) > before; });
}

// Runs the daemon on this configuration until it ends by itself; what it said, and what was left in
// its status. `code`: its exit code.
struct Ended {
  int code = 0;
  std::string said;
  std::string status;
};

Ended run_to_its_end(const std::vector<std::string>& arguments) {
  const NotifySocket manager{true};
  const ManagersEnvironment environment{manager.name()};
  std::vector<std::string> argv{ROLLBACKD_PROGRAM};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  Ended ended;
  ended.code = run_program(argv, ended.said);
  for (std::string next = manager.heard(); !next.empty(); next = manager.heard()) {
    ended.status = next;
  }
  return ended;
}

struct ConfigFolder {
  ConfigFolder() {
    std::string name = std::filesystem::temp_directory_path() / "rollbackd-config-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~ConfigFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  ConfigFolder(const ConfigFolder&) = delete;
  ConfigFolder& operator=(const ConfigFolder&) = delete;

  std::string put(const std::string& yaml) const {
    std::ofstream{path / config_name} << yaml;
    return path / config_name;
  }

  std::filesystem::path path;
};

}  // namespace

TEST_CASE(
    "a service manager hears ready, how it is, and a watchdog; on a stop that it may take long") {
  for (const bool abstract : {false, true}) {
    Manager manager{abstract};
    const ManagersEnvironment environment{manager.name()};
    Stage stage;
    manager.wait_for("READY=1\nSTATUS=");  // PostgreSQL says READY=1, too
    CHECK(manager.wait_for("STATUS=leader, listening, rollbacks under way: 0").find("not ready") ==
          std::string::npos);
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
    stage.daemon().signal(SIGTERM);
    manager.wait_for("STOPPING=1");
    manager.wait_for("EXTEND_TIMEOUT_USEC=30000000");
    CHECK(stage.daemon().wait_for_end() == 0);
  }
}

TEST_CASE("the status names what is wrong, and that it is well again") {
  Manager manager{true};
  const ManagersEnvironment environment{manager.name()};
  Stage stage;
  manager.wait_for("STATUS=leader, listening, rollbacks under way: 0");
  stage.postgres().stop();
  CHECK(manager.wait_for("not ready: database").find('\n') == std::string::npos);
  stage.postgres().start();
  eventually("a good status", 60, [&] {
    return manager.wait_for("STATUS=leader").find("not ready") == std::string::npos;
  });
}

TEST_CASE("a loop that is stuck does not feed the watchdog, and one that goes on does again") {
  Manager manager{true};
  const ManagersEnvironment environment{manager.name()};
  Stage stage;
  manager.wait_for("WATCHDOG=1");
  // Nobody writes into this file, so that reading it takes until somebody does.
  const auto file = stage.daemon().directory() / config_name;
  std::filesystem::remove(file);
  REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  stage.daemon().signal(SIGHUP);
  manager.wait_for("RELOADING=1");
  manager.drop("");
  const std::string moment = stage.ask("select clock_timestamp()");
  const auto two_seconds_later = [&](const std::string& what) {
    return stage.ask("select " + what + " > '" + moment + "'::timestamptz + interval '2 s'") == "t";
  };
  eventually("some intervals of the watchdog", 20,
             [&] { return two_seconds_later("clock_timestamp()"); });
  CHECK(manager.drop("WATCHDOG=1") == 0);
  std::ofstream{file} << stage.configuration();
  CHECK(manager.wait_for("READY=1").find("STATUS=leader") != std::string::npos);
  manager.wait_for("WATCHDOG=1");
}

TEST_CASE("SIGHUP takes over what has changed, at once and without losing anything") {
  Stage stage{"triggers: [{name: many, signal: errors, window: 60s, above: 1000}]\n"};
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  stage.log_errors(7);
  CHECK(stage.disagreement(bad) == "");
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "0");
  const std::string sharper = replaced(stage.configuration(), "above: 1000", "above: 6");
  write_config(stage,
               replaced(sharper, "log: {level: debug}", "log: {level: debug, format: json}") +
                   "metrics: {max_services: 7}\n");
  stage.daemon().signal(SIGHUP);
  stage.daemon().wait_for_log(
      {R"("event":"config_reloaded")", R"("changed":"triggers, metrics, log")"});
  CHECK(stage.wait_for_end(bad) == "success");
  CHECK(stage.running_version() == "v1 commit-of-v1 app");
  CHECK(stage.daemon().count_in_log("feed_rebuilt") == 1);
}

TEST_CASE("a new token counts and an old one does not, from the next request on") {
  Stage stage;
  const std::string bad = stage.deploy("v1");
  stage.wait_until_watched(bad);
  CHECK(stage.check(bad).status == 200);
  write_config(stage, replaced(stage.configuration(), "4c5dc9b7708905f77f5e5d16316b5dfb425e68cb",
                               "0000000000000000000000000000000000000000"));
  reload(stage, "config_reloaded");
  CHECK(stage.check(bad).status == 401);
  write_config(stage, stage.configuration());
  reload(stage, "config_reloaded");
  CHECK(stage.check(bad).status == 200);
}

TEST_CASE(
    "a bad file leaves the old one in force, said with its place; a good one after it works") {
  Stage stage;
  stage.wait_for_readiness(200);
  write_config(stage, stage.configuration() + "mode: sometimes\nblame_window: 5\n");
  reload(stage, "config_not_reloaded");
  stage.daemon().wait_for_log(
      {"event=config_not_reloaded", "line=", "blame_window is 5 without a unit"});
  stage.daemon().wait_for_log({"event=config_not_reloaded", "mode is \\\"sometimes\\\""});
  CHECK(stage.daemon().count_in_log("event=config_reloaded") == 0);
  stage.wait_for_metric("rollbackd_config_last_reload_successful", "0");
  std::filesystem::remove(stage.daemon().directory() / config_name);
  reload(stage, "config_not_reloaded");
  stage.daemon().wait_for_log({"event=config_not_reloaded", "cannot be read"});
  CHECK(stage.readiness().status == 200);
  write_config(stage, stage.configuration() + "mode: shadow\n");
  reload(stage, "config_reloaded");
  stage.daemon().wait_for_log({"event=config_reloaded", "changed=mode"});
  stage.wait_for_metric("rollbackd_config_last_reload_successful", "1");
}

TEST_CASE("what needs a restart is named by key, and the rest is taken over") {
  Stage stage;
  stage.wait_for_readiness(200);
  write_config(stage,
               replaced(stage.configuration(), "listen: 127.0.0.1:0", "listen: 127.0.0.1:1") +
                   "feed: {doorbell: off}\nblame_window: 2h\n");
  reload(stage, "config_reloaded");
  stage.daemon().wait_for_log(
      {"event=config_needs_restart", "keys=\"http.listen, feed.doorbell\""});
  stage.daemon().wait_for_log({"event=config_reloaded", "changed=blame_window"});
  CHECK(stage.readiness().status == 200);
}

TEST_CASE(
    "a configuration that cannot work ends it with 78, one line on stderr and in the status") {
  const ConfigFolder folder;
  const auto expect = [&](const std::string& yaml, const std::string& place) {
    const std::string file = folder.put(yaml);
    const Ended ended = run_to_its_end({"run", "--config", file});
    CHECK(ended.code == 78);
    CHECK(ended.said == file + place + "\n");
    CHECK(ended.status == "STATUS=" + file + place);
  };
  expect("database: {password_file: /run/credentials/rollbackd.service/pg_password}\n",
         ":1:27: database.password_file names \"/run/credentials/rollbackd.service/pg_password\", "
         "which "
         "does not exist, expected a file that holds the secret");
  expect("mode: sometimes\n", ":1:7: mode is \"sometimes\", expected auto, ask or shadow");
  expect("database: {conninfo: 'host=/tmp password=s3cret and more'}\n",
         ": database.conninfo cannot be read: missing \"=\" after \"…\" in connection info string; "
         "write it as libpq does: \"host=… dbname=… user=…\" or postgresql://…");
  const Ended missing = run_to_its_end({"run", "--config", folder.path / "absent.yaml"});
  CHECK(missing.code == 78);
  CHECK(missing.status == "STATUS=" + (folder.path / "absent.yaml").string() +
                              ": cannot be read (No such file or directory), expected a YAML file");
}

TEST_CASE("a unit that calls it wrongly ends it with 2, an address that is taken with 1") {
  CHECK(run_to_its_end({"run", "--confg", "x"}).code == 2);
  CHECK(run_to_its_end({"start"}).code == 2);
  CHECK(run_to_its_end({}).code == 2);
  Stage stage;
  const ConfigFolder folder;
  const std::string address = "127.0.0.1:" + std::to_string(stage.http_port());
  const Ended taken =
      run_to_its_end({"run", "--config", folder.put("http: {listen: '" + address + "'}\n")});
  CHECK(taken.code == 1);
  CHECK(taken.said.find("event=cannot_run what=\"cannot listen on " + address) !=
        std::string::npos);
  CHECK(taken.status.find("STATUS=cannot listen on " + address) == 0);
}

TEST_CASE(
    "a certificate that does not match is said in the status and by install, which ends with 1") {
  PostgresOptions options;
  options.tcp = true;
  Postgres postgres{std::move(options)};
  const std::string data = postgres.data_directory();
  std::string output;
  const int made = run_program(
      {"/bin/sh", "-c",
       "cd \"$0\" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
       "-subj /CN=elsewhere.example -keyout server.key -out server.crt && chmod 600 server.key && "
       "chown --reference=. server.key server.crt",
       data},
      output);
  if (made != 0) {
    MESSAGE("skipped: no openssl here to make a certificate with: " << output);
    return;
  }
  rows(postgres.conninfo(), "alter system set ssl = on");
  rows(postgres.conninfo(), "select pg_reload_conf()");
  const std::string conninfo = "host=127.0.0.1 port=" + std::to_string(postgres.port()) +
                               " dbname=app user=postgres sslmode=verify-full sslrootcert=" + data +
                               "/server.crt";
  const std::string why =
      "server certificate for \"elsewhere.example\" does not match host name \"127.0.0.1\"";
  eventually("TLS", 60, [&] {
    output.clear();
    return run_program({ROLLBACKD_PROGRAM, "install", "--conninfo", conninfo}, output) == 1 &&
           output.find(why) != std::string::npos;
  });
  CHECK(output.find("check database.conninfo") != std::string::npos);

  Manager manager{true};
  const ManagersEnvironment environment{manager.name()};
  Daemon daemon{"http: {listen: 127.0.0.1:0}\ndatabase: {conninfo: \"" + conninfo + "\"}\n"};
  const std::string status = manager.wait_for(why);
  CHECK(status.find("STATUS=not ready: ") == 0);
  daemon.signal(SIGTERM);
  CHECK(daemon.wait_for_end() == 0);
}

}  // namespace rollbackd::tests
