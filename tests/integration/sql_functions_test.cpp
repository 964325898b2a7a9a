#include <fstream>
#include <map>
#include <random>
#include <string>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "rules/deployments.hpp"
#include "tests/support/installed.hpp"

// ops.get_rollback_target(), record_rollback_event() and create_system_snapshot(). Each test is
// undone.

namespace rollbackd::tests {
namespace {

struct SqlFunctionsTest;

class Transaction {
 public:
  Transaction()
      : connection_{connect(server_of<SqlFunctionsTest>().conninfo())}, work_{*connection_} {}

  std::string ask(const std::string& sql) {
    const pqxx::result found = work_.exec(sql);
    return found.empty() || found[0][0].is_null() ? std::string{}
                                                  : std::string{found[0][0].c_str()};
  }
  pqxx::result rows(const std::string& sql) { return work_.exec(sql); }

  // Deployed one after the other. `more` sets further columns: ", status = 'failed'".
  std::string deploy(const std::string& version, const std::string& more = "") {
    const std::string id = ask(
        "insert into ops.deployments (environment, service, version, git_commit, git_branch, "
        "status,"
        " deployed_at, health_check_passed) values ('production', 'app', '" +
        version + "', 'c', 'main', 'success', now() - interval '1 day' + interval '1 minute' * " +
        std::to_string(++deployed_) + ", true) returning deployment_id");
    if (!more.empty()) {
      rows("update ops.deployments set deployment_id = deployment_id" + more +
           " where deployment_id = '" + id + "'");
    }
    return id;
  }
  std::string target_of(const std::string& id) {
    return ask("select version from ops.get_rollback_target('" + id + "'::uuid)");
  }

 private:
  std::unique_ptr<pqxx::connection> connection_;
  pqxx::work work_;
  int deployed_ = 0;
};

}  // namespace

TEST_CASE("the target is the newest good deployment before the bad one, not the latest success") {
  Transaction t;
  t.deploy("1");
  t.deploy("2");
  const std::string bad = t.deploy("3");
  t.deploy("4");
  CHECK(t.target_of(bad) == "2");
  CHECK(t.target_of("00000000-0000-0000-0000-000000000001") == "");
}

TEST_CASE("what is not good enough to go back to is passed over") {
  for (const char* defect :
       {", status = 'failed'", ", status = 'pending'", ", status = 'in_progress'",
        ", status = 'rolled_back'", ", health_check_passed = false", ", health_check_passed = null",
        ", service = 'other'", ", environment = 'staging'", ", deployed_at = null",
        ", deployed_at = now()",
        ", rollback_from = (select max(deployment_id::text)::uuid from ops.deployments)",
        ", version = '3'"}) {
    Transaction t;
    t.deploy("1");
    t.deploy("2", defect);
    CHECK_MESSAGE(t.target_of(t.deploy("3")) == "1", defect);
  }
}

TEST_CASE("the same version of another commit is a target") {
  Transaction t;
  t.deploy("3", ", git_commit = 'other'");
  CHECK(t.target_of(t.deploy("3")) == "3");
}

TEST_CASE("of rows deployed at the same moment the id decides which is older") {
  Transaction t;
  const std::string first = t.deploy("1", ", deployed_at = now()");
  const std::string second = t.deploy("2", ", deployed_at = now()");
  CHECK(t.target_of(first) == "");
  CHECK(t.target_of(second) == "1");
}

TEST_CASE("by environment the target is that of the current deployment of the service app") {
  Transaction t;
  CHECK(t.ask("select version from ops.get_rollback_target('production')") == "");
  t.deploy("1");
  t.deploy("2");
  t.deploy("3", ", status = 'rolled_back'");
  t.deploy("4", ", status = 'pending'");
  t.deploy("5", ", service = 'other'");
  CHECK(t.ask("select version from ops.get_rollback_target('production')") == "2");
  CHECK(t.ask("select version from ops.get_rollback_target(p_environment => 'production')") == "2");
}

TEST_CASE("the columns of a target are those that callers know") {
  Transaction t;
  t.deploy("1");
  const pqxx::result found =
      t.rows("select * from ops.get_rollback_target(p_deployment_id => '" + t.deploy("2") + "')");
  REQUIRE(found.columns() == 5);
  CHECK(std::string{found.column_name(0)} == "deployment_id");
  CHECK(std::string{found.column_name(1)} == "version");
  CHECK(std::string{found.column_name(2)} == "git_commit");
  CHECK(std::string{found.column_name(3)} == "deployed_at");
  CHECK(std::string{found.column_name(4)} == "health_check_passed");
}

TEST_CASE("SQL and the rules find the same target") {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    std::mt19937 random{seed};
    const auto pick = [&](unsigned n) { return random() % n; };
    Transaction t;
    for (int i = 0; i < 40; ++i) {
      t.deploy(std::to_string(pick(4)),
               std::string{", status = '"} + (pick(4) == 0 ? "failed" : "success") +
                   "', health_check_passed = " + (pick(4) == 0 ? "false" : "true") +
                   ", service = '" + (pick(3) == 0 ? "api" : "app") +
                   "', deployed_at = now() + interval '1 s' * " + std::to_string(pick(20)) +
                   (pick(5) == 0 ? ", rollback_from = deployment_id" : ""));
    }
    rules::Deployments known;
    for (const pqxx::row& row :
         t.rows("select id, deployment_id, environment, service, version, git_commit, status,"
                " (extract(epoch from deployed_at) * 1000000)::bigint, rollback_from,"
                " health_check_passed from ops.deployments")) {
      rules::Deployment d;
      d.row = row[0].as<std::int64_t>();
      d.id = *rules::DeploymentId::parse(row[1].c_str());
      d.service = {row[2].c_str(), row[3].c_str()};
      d.version = row[4].c_str();
      d.git_commit = row[5].c_str();
      d.status = *rules::deployment_status_named(row[6].c_str());
      d.deployed_at = rules::Instant{rules::Duration{row[7].as<std::int64_t>()}};
      if (!row[8].is_null()) {
        d.rollback_from = rules::DeploymentId::parse(row[8].c_str());
      }
      d.health_check_passed = row[9].as<bool>();
      known.put(d);
    }
    for (const pqxx::row& row :
         t.rows("select d.deployment_id, t.deployment_id from ops.deployments d"
                " left join lateral ops.get_rollback_target(d.deployment_id) t on true")) {
      const rules::Deployment* bad = known.find(*rules::DeploymentId::parse(row[0].c_str()));
      REQUIRE(bad != nullptr);
      const rules::Deployment* target = known.target_of(*bad);
      CHECK((target == nullptr ? "" : target->id.text()) ==
            (row[1].is_null() ? "" : row[1].c_str()));
    }
  }
}

TEST_CASE("a recorded rollback is pending, known by its service and not the daemon's") {
  Transaction t;
  const std::string id = t.deploy("1");
  const std::string event = t.ask("select ops.record_rollback_event(p_deployment_id => '" + id +
                                  "', p_trigger_type => 'manual', p_trigger_reason => 'why',"
                                  " p_initiated_by => null)");
  const pqxx::result found = t.rows(
      "select deployment_id, trigger_type, trigger_reason, status, environment, service,"
      " metadata ? 'written_by' from ops.rollback_events where event_id = '" +
      event + "'");
  REQUIRE(found.size() == 1);
  CHECK(found[0][0].c_str() == id);
  CHECK(std::string{found[0][1].c_str()} == "manual");
  CHECK(std::string{found[0][2].c_str()} == "why");
  CHECK(std::string{found[0][3].c_str()} == "pending");
  CHECK(std::string{found[0][4].c_str()} == "production");
  CHECK(std::string{found[0][5].c_str()} == "app");
  CHECK(std::string{found[0][6].c_str()} == "f");
}

TEST_CASE(
    "a record or a snapshot of nothing, or of an unknown kind, is refused with what was expected") {
  for (const char* call : {"ops.record_rollback_event(gen_random_uuid(), 'manual', 'r', null)",
                           "ops.create_system_snapshot(gen_random_uuid(), 'pre_rollback')",
                           "ops.create_system_snapshot(null, 'pre_rollback')"}) {
    CHECK(failure_of(*connect(server_of<SqlFunctionsTest>().conninfo()),
                     std::string{"select "} + call) == "P0002");
  }
  for (const char* call : {"ops.record_rollback_event(gen_random_uuid(), 'other', 'r', null)",
                           "ops.create_system_snapshot(gen_random_uuid(), 'other')",
                           "ops.create_system_snapshot(gen_random_uuid(), null)"}) {
    CHECK(failure_of(*connect(server_of<SqlFunctionsTest>().conninfo()),
                     std::string{"select "} + call) == "22023");
  }
}

TEST_CASE("at most one active rollback per service is the daemon's; other people's block nothing") {
  const auto insert = [](const std::string& service, const std::string& status,
                         const std::string& by) {
    return "insert into ops.rollback_events (trigger_type, trigger_reason, status, environment, "
           "service,"
           " metadata) values ('manual', 'r', '" +
           status + "', 'production', '" + service + "', '{\"written_by\": \"" + by + "\"}');";
  };
  const auto c = connect(server_of<SqlFunctionsTest>().conninfo());
  CHECK(failure_of(*c, insert("a", "pending", "rollbackd") +
                           insert("a", "in_progress", "rollbackd")) == "23505");
  CHECK(failure_of(*c, insert("a", "pending", "rollbackd") + insert("b", "pending", "rollbackd") +
                           insert("a", "success", "rollbackd") +
                           insert("a", "aborted", "rollbackd") + insert("a", "pending", "me") +
                           insert("a", "pending", "me")) == "");
}

namespace {

std::string hash(Transaction& t) { return t.ask("select ops.rollbackd_schema_hash()"); }

}  // namespace

TEST_CASE(
    "every change of a definition changes the schema's hash, and changing it back restores it") {
  Transaction t;
  t.rows("create schema s; create table s.t (a int, b text)");
  std::map<std::string, std::string> seen{{hash(t), "nothing"}};
  for (const char* change :
       {"alter table s.t add column c int", "alter table s.t alter column a set not null",
        "alter table s.t alter column a type bigint",
        "alter table s.t alter column b set default 'x'", "alter table s.t add check (a > 0)",
        "create index i on s.t (a)", "create unique index j on s.t (a)",
        "create function s.f() returns int language sql as 'select 1'",
        "create or replace function s.f() returns int language sql as 'select 2'",
        "create view s.v as select a from s.t", "create type s.e as enum ('a')",
        "alter type s.e rename value 'a' to 'b'", "alter table s.t enable row level security",
        "alter table s.t rename column b to bb", "drop function s.f()"}) {
    t.rows(change);
    const auto [at, is_new] = seen.emplace(hash(t), change);
    CHECK_MESSAGE(is_new, std::string{change}, " has the hash of ", at->second);
  }
  const std::string before = hash(t);
  t.rows("create table s.more (a int)");
  CHECK(hash(t) != before);
  t.rows("drop table s.more");
  CHECK(hash(t) == before);
}

TEST_CASE("rows, statistics and temporary tables leave the schema's hash as it is") {
  Transaction t;
  t.rows("create table public.t (id serial, a int)");
  const std::string before = hash(t);
  t.rows("insert into public.t (a) select n from generate_series(1, 1000) n");
  t.rows("analyze public.t");
  t.rows("create temporary table x (a int)");
  t.rows("set local search_path = public");
  t.rows("set local role rollbackd_owner");
  CHECK(hash(t) == before);
}

TEST_CASE("small tables are counted exactly, big ones estimated and named") {
  Transaction t;
  const std::string id = t.deploy("1");
  t.rows("create table public.small as select n from generate_series(1, 1234) n");
  // 10,000 pages and one more, a row to a page.
  t.rows("create table public.big (a int, b text) with (fillfactor = 10)");
  t.rows("alter table public.big alter column b set storage plain");
  t.rows("insert into public.big select n, repeat('x', 5000) from generate_series(1, 10001) n");
  t.rows("analyze public.big; insert into public.small values (0)");
  t.rows(
      "create table public.parted (a int) partition by range (a);"
      "create table public.parted1 partition of public.parted for values from (0) to (10);"
      "create table public.parted2 partition of public.parted for values from (10) to (20);"
      "insert into public.parted select generate_series(0, 14)");
  const std::string snapshot =
      t.ask("select ops.create_system_snapshot('" + id + "', 'post_deployment')");
  const auto count = [&](const std::string& what) {
    return t.ask("select table_counts " + what +
                 " from ops.system_snapshots where snapshot_id = '" + snapshot + "'");
  };
  CHECK(count("->> 'public.small'") == "1235");
  CHECK(count("->> 'public.parted'") == "15");
  CHECK(count("->> 'estimated'") == "[\"public.big\"]");
  const int estimate = std::stoi(count("->> 'public.big'"));
  CHECK(estimate > 9000);
  CHECK(estimate < 11000);
}

TEST_CASE(
    "a table that is locked, or that the owner may not read, is estimated and holds nothing up") {
  rows(server_of<SqlFunctionsTest>().conninfo(),
       "create table public.locked as select generate_series(1, 10) n; analyze public.locked;"
       "create table public.secret as select generate_series(1, 10) n; analyze public.secret;"
       "alter table public.secret enable row level security");
  const auto other = connect(server_of<SqlFunctionsTest>().conninfo());
  pqxx::work lock{*other};
  lock.exec("lock table public.locked in access exclusive mode");
  Transaction t;
  const std::string snapshot =
      t.ask("select ops.create_system_snapshot('" + t.deploy("1") + "', 'pre_rollback')");
  CHECK(t.ask("select table_counts -> 'estimated' from ops.system_snapshots where snapshot_id = '" +
              snapshot + "'") == "[\"public.locked\", \"public.secret\"]");
  CHECK(t.ask("select table_counts ->> 'public.locked' from ops.system_snapshots where snapshot_id "
              "= '" +
              snapshot + "'") == "10");
  lock.abort();
  rows(server_of<SqlFunctionsTest>().conninfo(), "drop table public.locked, public.secret");
}

TEST_CASE("a snapshot keeps no lock on the tables it has counted") {
  Transaction t;
  const std::string id = t.deploy("1");
  rows(server_of<SqlFunctionsTest>().conninfo(), "create table public.counted as select 1");
  t.ask("select ops.create_system_snapshot('" + id + "', 'pre_rollback')");
  CHECK(t.ask("select table_counts ->> 'public.counted' from ops.system_snapshots") == "1");
  CHECK(t.ask("select count(*) from pg_locks where relation = 'public.counted'::regclass"
              " and pid = pg_backend_pid() and mode = 'AccessShareLock'") == "0");
  rows(server_of<SqlFunctionsTest>().conninfo(), "drop table public.counted");
}

TEST_CASE("a snapshot holds the metrics and settings of its moment, and no secret") {
  Transaction t;
  const std::string id = t.deploy("1");
  const std::string snapshot = t.ask("select ops.create_system_snapshot(p_deployment_id => '" + id +
                                     "', p_snapshot_type => 'pre_deployment')");
  const auto get = [&](const std::string& what) {
    return t.ask("select " + what + " from ops.system_snapshots where snapshot_id = '" + snapshot +
                 "'");
  };
  CHECK(get("snapshot_type") == "pre_deployment");
  CHECK(get("length(database_schema_hash)") == "64");
  CHECK(get("(key_metrics ->> 'connection_utilisation')::numeric ="
            " trim_scale(round(100.0 * (key_metrics ->> 'database_connections')::int / 97, 2))") ==
        "t");
  CHECK(get("key_metrics ->> 'usable_connections'") == "97");
  CHECK(get("key_metrics ->> 'database_connections_exact'") == "true");
  CHECK(get("(key_metrics ->> 'database_size_bytes')::bigint > 1000000") == "t");
  CHECK(get("key_metrics -> 'health' ->> 'healthy'") == "true");
  CHECK(get("environment_config ->> 'database'") == "app");
  CHECK(get("environment_config ->> 'server_version_num' >= '150000'") == "t");
  CHECK(get("environment_config::text ~* 'pass|secret|conninfo|key_file'") == "f");
}

TEST_CASE(
    "without the right to see other sessions the connections are the sum over the databases") {
  Transaction t;
  const auto idle = connect(server_of<SqlFunctionsTest>().conninfo());
  t.rows("revoke pg_read_all_stats from rollbackd_owner");
  CHECK(t.ask("select is_exact from ops.rollbackd_connections()") == "f");
  CHECK(std::stoi(t.ask("select connections from ops.rollbackd_connections()")) >= 2);
}

}  // namespace rollbackd::tests
