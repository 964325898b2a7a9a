#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tests/support/daemon.hpp"
#include "tests/support/http_request.hpp"
#include "tests/support/postgres.hpp"

namespace rollbackd::tests {

// How the daemon reaches the server, where not by its socket.
struct StageLink {
  // Gives the daemon's conninfo; called when the server runs and the daemon does not yet.
  std::function<std::string(Postgres&)> conninfo = [](Postgres& postgres) {
    return postgres.conninfo("rollbackd");
  };
  bool rings = true;  // the doorbell works over it
};

// What a test of the whole product needs: a server with our schema in it, a small program whose
// version the command executor really changes, and the daemon with short timers.
class Stage {
 public:
  // `more`: lines that are added to the configuration. `options`: of the server.
  // `replaced`: pairs of texts in the configuration and what stands there instead.
  explicit Stage(const std::string& more = "", PostgresOptions options = {},
                 const std::vector<std::pair<std::string, std::string>>& replaced = {},
                 StageLink link = {});

  // Prints the daemon's log if the test at hand failed.
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  Postgres& postgres() { return postgres_; }
  Daemon& daemon() { return *daemon_; }
  // As the superuser.
  std::string ask(const std::string& sql) { return query(*connection_, sql); }
  pqxx::connection& connection() { return *connection_; }
  // Asks this server from now on, as the superuser: after a restart, or another one.
  void ask_at(const Postgres& server) { connection_ = connect(server.conninfo()); }

  // A row of ops.deployments; gives its deployment_id.
  std::string deploy(const std::string& version, const std::string& status = "in_progress",
                     const std::string& service = "app",
                     const std::string& environment = "production");
  // A good one that could be gone back to: declared so, an hour ago.
  std::string deployed_long_ago(const std::string& version, const std::string& service = "app");
  void log_errors(int count, const std::string& service = "app");
  // The beginning of most stories: v1 served long ago, v2 is watched and logs one error too many.
  // Gives the deployment_id of v2.
  std::string go_bad();
  // Waits until the daemon knows the deployment as current and watches it.
  void wait_until_watched(const std::string& deployment_id);
  // The port that the daemon's HTTP server was given.
  [[nodiscard]] int http_port() const;
  // What POST /check answers for the deployment.
  [[nodiscard]] HttpAnswer check(const std::string& deployment_id) const;
  // Compares /check with ops.get_deployment_health() for one and the same second: each count and
  // `healthy`. Empty: they agree; else both texts.
  std::string disagreement(const std::string& deployment_id);
  // The value of a line of /metrics, by the metric's name and labels as they stand there; empty:
  // there is none.
  [[nodiscard]] std::string metric(const std::string& series) const;
  void wait_for_metric(const std::string& series, const std::string& value) const;
  // What /readyz says.
  [[nodiscard]] HttpAnswer readiness() const { return http_request(http_port(), "GET", "/readyz"); }
  // Waits for this status of /readyz with this text in it; throws with what it says instead.
  void wait_for_readiness(int status, const std::string& text = "", double seconds = 60) const;
  // Starts the daemon again after its end, and waits until it works.
  void restart_daemon();
  // Waits for a rollback of the deployment to end; gives its status.
  std::string wait_for_end(const std::string& deployment_id, double seconds = 60);
  // Waits until the step of the one rollback there is has this status.
  void wait_for_step(const std::string& step, const std::string& status);
  // How many connections the daemon has, and how many config/README.md says it keeps from its start
  // on; the last waits until the one is the other.
  int daemon_connections();
  static int connections_told();
  void wait_for_connections();
  // What the program was last told to run; empty: nothing.
  [[nodiscard]] std::string running_version() const;
  // How often it ran.
  [[nodiscard]] int program_runs() const;
  [[nodiscard]] std::filesystem::path program_file() const { return folder_ / "version"; }
  [[nodiscard]] const std::string& configuration() const { return configuration_; }

 private:
  // By what the log says from there on.
  void wait_until_working(std::size_t log_begins) const;

  StageLink link_;
  Postgres postgres_;
  std::unique_ptr<pqxx::connection> connection_;
  std::filesystem::path folder_;
  std::string configuration_;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace rollbackd::tests
