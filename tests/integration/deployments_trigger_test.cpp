#include <string>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "tests/support/installed.hpp"

// What the BEFORE trigger does to rows of ops.deployments.

namespace rollbackd::tests {
namespace {

struct DeploymentsTriggerTest;

// One row, old enough that "now" is told apart from its times.
class Row {
 public:
  explicit Row(const std::string& status, const std::string& completed_at = "null") {
    id_ = query(server_of<DeploymentsTriggerTest>().conninfo(),
                "insert into ops.deployments (environment, version, git_commit, git_branch, status,"
                " deployed_at, completed_at) values ('e', '1', 'c', 'main', '" +
                    status + "', '2020-01-01Z', " + completed_at + ") returning deployment_id");
  }

  // `before` runs in the same transaction.
  void update(const std::string& assignment, const std::string& before = "") const {
    rows(server_of<DeploymentsTriggerTest>().conninfo(),
         "begin;" + before + "; update ops.deployments set " + assignment +
             " where deployment_id = '" + id_ + "'; commit");
  }
  [[nodiscard]] std::string get(const std::string& expression) const {
    return query(
        server_of<DeploymentsTriggerTest>().conninfo(),
        "select " + expression + " from ops.deployments where deployment_id = '" + id_ + "'");
  }
  [[nodiscard]] bool is_now(const std::string& column) const {
    return get(column + " > now() - interval '1 minute'") == "t";
  }
  [[nodiscard]] bool is_old(const std::string& column) const {
    return get(column + " = '2020-01-01Z'") == "t";
  }
  void roll_back(const std::string& status, const std::string& written_by = "rollbackd") const {
    rows(server_of<DeploymentsTriggerTest>().conninfo(),
         "insert into ops.rollback_events (deployment_id, trigger_type, trigger_reason, status, "
         "metadata,"
         " environment, service) values ('" +
             id_ + "', 'automatic', 'r', '" + status + "', '{\"written_by\": \"" + written_by +
             "\"}', '" + id_ + "', 'app')");
  }

 private:
  std::string id_;
};

const std::string as_a_step = "select set_config('rollbackd.rollback_step', 'on', true)";

}  // namespace

TEST_CASE("every insert and update stamps the number of its transaction") {
  const Row row{"in_progress"};
  const std::string first = row.get("xid");
  CHECK(row.get("pg_visible_in_snapshot(xid, pg_current_snapshot())") == "t");
  row.update("metadata = '{}'");
  CHECK(std::stoull(row.get("xid")) > std::stoull(first));
  row.update("xid = '3'");
  CHECK(row.get("xid") != "3");
}

TEST_CASE("a row that leaves pending with its old deployed_at gets now") {
  for (const char* status : {"in_progress", "success", "failed"}) {
    const Row row{"pending"};
    row.update("status = '" + std::string{status} + "'");
    CHECK(row.is_now("deployed_at"));
    CHECK(row.get("status") == status);
  }
}

TEST_CASE("a deployed_at that comes with the change, and one of a row that served, stay") {
  const Row given{"pending"};
  given.update("status = 'success', deployed_at = '2021-01-01Z'");
  CHECK(given.get("deployed_at = '2021-01-01Z'") == "t");
  const Row serving{"in_progress"};
  serving.update("status = 'success'");
  CHECK(serving.is_old("deployed_at"));
  const Row waiting{"pending"};
  waiting.update("metadata = '{}'");
  CHECK(waiting.is_old("deployed_at"));
}

TEST_CASE("a row that becomes success or failed without a new completed_at gets now") {
  for (const char* status : {"success", "failed"}) {
    const Row row{"in_progress"};
    CHECK(row.get("completed_at") == "");
    row.update("status = '" + std::string{status} + "'");
    CHECK(row.is_now("completed_at"));

    const Row again{"in_progress", "'2020-01-01Z'"};
    again.update("status = '" + std::string{status} + "'");
    CHECK(again.is_now("completed_at"));

    const Row given{"in_progress"};
    given.update("status = '" + std::string{status} + "', completed_at = '2020-01-01Z'");
    CHECK(given.is_old("completed_at"));
  }
}

TEST_CASE("a status that does not change leaves completed_at alone") {
  const Row row{"failed"};
  row.update("status = 'failed', metadata = '{}'");
  CHECK(row.is_old("completed_at"));
  row.update("completed_at = null");
  CHECK(row.get("completed_at") == "");
}

TEST_CASE("inserted as success or failed, a row was completed when it was deployed") {
  for (const char* status : {"success", "failed"}) {
    CHECK(Row{status}.is_old("completed_at"));
    CHECK(Row{status, "'2021-01-01Z'"}.get("completed_at = '2021-01-01Z'") == "t");
  }
  for (const char* status : {"pending", "in_progress", "rolled_back"}) {
    CHECK(Row{status}.get("completed_at") == "");
  }
}

TEST_CASE("a rolled back row keeps its status through everything but a rollback's step") {
  const Row row{"rolled_back", "'2020-01-01Z'"};
  row.update("status = 'success', metadata = '{\"late\": true}'");
  CHECK(row.get("status") == "rolled_back");
  CHECK(row.is_old("completed_at"));
  CHECK(row.get("metadata ->> 'late'") == "true");
  row.update("status = 'failed'", "set local role rollbackd");
  CHECK(row.get("status") == "rolled_back");
  row.update("status = 'success'", as_a_step);
  CHECK(row.get("status") == "success");
}

TEST_CASE("a status put back by a rollback's step completed when it did") {
  const Row row{"rolled_back", "'2020-01-01Z'"};
  row.update("status = 'failed'", as_a_step);
  CHECK(row.is_old("completed_at"));
}

TEST_CASE("a row keeps its status while a rollback of the daemon is in progress, and only then") {
  const Row row{"in_progress"};
  row.roll_back("in_progress");
  row.update("status = 'success'");
  CHECK(row.get("status") == "in_progress");
  row.update("status = 'rolled_back'", as_a_step);
  CHECK(row.get("status") == "rolled_back");

  for (const char* status : {"pending", "success", "failed", "aborted"}) {
    const Row other{"in_progress"};
    other.roll_back(status);
    other.update("status = 'failed'");
    CHECK_MESSAGE(other.get("status") == "failed", status);
  }
  const Row strange{"in_progress"};
  strange.roll_back("in_progress", "somebody");
  strange.update("status = 'success'");
  CHECK(strange.get("status") == "success");
}

TEST_CASE("the setting of a rollback's step ends with its transaction") {
  const Row row{"rolled_back"};
  const auto connection = connect(server_of<DeploymentsTriggerTest>().conninfo());
  rows(*connection, "begin; " + as_a_step + "; commit");
  rows(*connection, "update ops.deployments set status = 'success'");
  CHECK(row.get("status") == "rolled_back");
}

TEST_CASE("a pipeline that may not read rollbacks is protected from undoing one, too") {
  const Row row{"in_progress"};
  row.roll_back("in_progress");
  row.update("status = 'success'", "set local role rollbackd_writer");
  CHECK(row.get("status") == "in_progress");
}

TEST_CASE("a row's own time-stamp rules hold for replicated rows, too") {
  const Row row{"pending"};
  row.update("status = 'success'", "set local session_replication_role = replica");
  CHECK(row.is_now("deployed_at"));
}

}  // namespace rollbackd::tests
