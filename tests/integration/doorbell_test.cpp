#include <string>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "tests/support/installed.hpp"
#include "tests/support/watched_log.hpp"

// The doorbell's grammar, sql/triggers/README.md.

namespace rollbackd::tests {
namespace {

struct DoorbellTest;

const std::string error_row =
    "insert into ops.system_logs (severity, source, message) values ('error', 's', 'm')";

// A session that was closed may hold it for a moment longer.
void wait_until_nobody_holds_k() {
  while (query(server_of<DoorbellTest>().conninfo(),
               "select count(*) from pg_locks where locktype = 'advisory'") != "0") {
  }
}

}  // namespace

TEST_CASE("the bell is silent while nobody holds K, and rings while somebody does") {
  Listener listener{server_of<DoorbellTest>().conninfo()};
  const auto writer = connect(server_of<DoorbellTest>().conninfo());

  rows(*writer, error_row);
  CHECK(listener.rings() == 0);
  {
    const HeldKey key{server_of<DoorbellTest>().conninfo()};
    rows(*writer, error_row);
    CHECK(listener.rings() == 1);
    rows(*writer,
         "insert into ops.system_logs (severity, source, message)"
         " values ('critical', 's', 'm')");
    CHECK(listener.rings() == 1);
  }
  wait_until_nobody_holds_k();
  rows(*writer, error_row);
  CHECK(listener.rings() == 0);
}

TEST_CASE("a thousand rows of one commit ring once") {
  Listener listener{server_of<DoorbellTest>().conninfo()};
  const HeldKey key{server_of<DoorbellTest>().conninfo()};
  rows(server_of<DoorbellTest>().conninfo(),
       "insert into ops.system_logs (severity, source, message)"
       " select 'error', 's', n::text from generate_series(1, 1000) n");
  CHECK(listener.rings() == 1);
}

TEST_CASE("rows that do not count, and inserts without rows, never ring") {
  Listener listener{server_of<DoorbellTest>().conninfo()};
  const HeldKey key{server_of<DoorbellTest>().conninfo()};
  for (const char* severity : {"debug", "info", "warning"}) {
    rows(server_of<DoorbellTest>().conninfo(),
         std::string{"insert into ops.system_logs (severity, source, message)"
                     " values ('"} +
             severity + "', 's', 'm')");
  }
  rows(server_of<DoorbellTest>().conninfo(),
       "insert into ops.system_logs (severity, source, message) select 'error', 's', 'm' where "
       "false");
  CHECK(listener.rings() == 0);
}

TEST_CASE("what is rolled back does not ring") {
  Listener listener{server_of<DoorbellTest>().conninfo()};
  const HeldKey key{server_of<DoorbellTest>().conninfo()};
  rows(server_of<DoorbellTest>().conninfo(), "begin; " + error_row + "; rollback");
  CHECK(listener.rings() == 0);
  rows(server_of<DoorbellTest>().conninfo(),
       "begin; savepoint a; " + error_row + "; rollback to a; commit");
  CHECK(listener.rings() == 0);
  rows(server_of<DoorbellTest>().conninfo(),
       "begin; savepoint a; " + error_row + "; release a; commit");
  CHECK(listener.rings() == 1);
}

TEST_CASE("a deployment rings when it is inserted and when it changes") {
  Listener listener{server_of<DoorbellTest>().conninfo()};
  const HeldKey key{server_of<DoorbellTest>().conninfo()};
  rows(server_of<DoorbellTest>().conninfo(),
       "insert into ops.deployments (environment, version, git_commit, git_branch)"
       " values ('e', '1', 'c', 'main')");
  CHECK(listener.rings() == 1);
  rows(server_of<DoorbellTest>().conninfo(), "update ops.deployments set status = 'in_progress'");
  CHECK(listener.rings() == 1);
}

TEST_CASE("rows by COPY and by replication ring, too") {
  Listener listener{server_of<DoorbellTest>().conninfo()};
  const HeldKey key{server_of<DoorbellTest>().conninfo()};
  rows(server_of<DoorbellTest>().conninfo(),
       "copy ops.system_logs (severity, source, message)"
       " from program 'printf \"error\\ts\\tm\\n\"'");
  CHECK(listener.rings() == 1);
  // As the apply worker of a subscription does.
  rows(server_of<DoorbellTest>().conninfo(),
       "set session_replication_role = replica; " + error_row);
  CHECK(listener.rings() == 1);
}

TEST_CASE("whoever takes K waits for the writers that saw silence, and misses none after them") {
  wait_until_nobody_holds_k();
  Listener listener{server_of<DoorbellTest>().conninfo()};
  const auto writer = connect(server_of<DoorbellTest>().conninfo());
  rows(*writer, "begin");
  rows(*writer, error_row);
  const std::string try_for_it = "select pg_try_advisory_lock(8245928655501484907)";
  const auto daemon = connect(server_of<DoorbellTest>().conninfo());
  CHECK(query(*daemon, try_for_it) == "f");
  rows(*writer, "commit");
  CHECK(query(*daemon, try_for_it) == "t");
  CHECK(listener.rings() == 0);
  rows(*writer, error_row);
  CHECK(listener.rings() == 1);
}

TEST_CASE("a stranger who shares K changes nothing") {
  Listener listener{server_of<DoorbellTest>().conninfo()};
  const auto stranger = connect(server_of<DoorbellTest>().conninfo());
  query(*stranger, "select pg_advisory_lock_shared(8245928655501484907)");
  rows(server_of<DoorbellTest>().conninfo(), error_row);
  CHECK(listener.rings() == 0);
}

TEST_CASE("the bell falls silent with the death of the daemon's session") {
  Listener listener{server_of<DoorbellTest>().conninfo()};
  HeldKey key{server_of<DoorbellTest>().conninfo()};
  query(server_of<DoorbellTest>().conninfo(),
        "select pg_terminate_backend(" + std::to_string(key.pid()) + ", 10000)");
  rows(server_of<DoorbellTest>().conninfo(), error_row);
  CHECK(listener.rings() == 0);
}

TEST_CASE("who holds K exclusively can be named, as the README says") {
  HeldKey key{server_of<DoorbellTest>().conninfo()};
  CHECK(query(server_of<DoorbellTest>().conninfo(),
              "select a.pid from pg_locks l join pg_stat_activity a using (pid)"
              " where l.locktype = 'advisory' and l.granted and l.mode = 'ExclusiveLock'"
              " and l.objsubid = 1 and l.classid = 1919904876 and l.objid = 1650549611") ==
        std::to_string(key.pid()));
}

TEST_CASE("the role of applications rings without any further right") {
  Listener listener{server_of<DoorbellTest>().conninfo()};
  const HeldKey key{server_of<DoorbellTest>().conninfo()};
  rows(server_of<DoorbellTest>().conninfo(), "set role rollbackd_writer; " + error_row);
  CHECK(listener.rings() == 1);
}

TEST_CASE(
    "every partition of a partitioned log rings, also a later one, also when written directly") {
  Postgres postgres;
  rows(postgres.conninfo(),
       "create schema ops; create table ops.system_logs (id bigserial, timestamp timestamptz not "
       "null"
       " default now(), severity text not null, source text, message text)"
       " partition by range (timestamp);"
       "create table ops.logs_old partition of ops.system_logs for values from (minvalue) to "
       "('2020-01-01')");
  install_into(postgres.conninfo());
  rows(postgres.conninfo(),
       "create table ops.logs_new partition of ops.system_logs for values from ('2020-01-01')"
       " to (maxvalue)");
  Listener listener{postgres.conninfo()};
  const HeldKey key{postgres.conninfo()};
  rows(postgres.conninfo(), error_row);
  CHECK(listener.rings() == 1);
  for (const std::string table : {"logs_old", "logs_new"}) {
    rows(postgres.conninfo(), "insert into ops." + table + " (timestamp, severity) values ('" +
                                  (table == "logs_old" ? "2019" : "2021") + "-01-01', 'error')");
    CHECK(listener.rings() == 1);
    rows(postgres.conninfo(), "set session_replication_role = replica; insert into ops." + table +
                                  " (timestamp, severity) values ('" +
                                  (table == "logs_old" ? "2019" : "2021") + "-01-01', 'error')");
    CHECK_MESSAGE(listener.rings() == 1, "as a replica: " << table);
  }
}

TEST_CASE("without a daemon a prepared transaction can write errors") {
  InstalledPostgres postgres{{{{"max_prepared_transactions", "2"}}}};
  rows(postgres.conninfo(), "begin; " + error_row + "; prepare transaction 'p'");
  rows(postgres.conninfo(), "commit prepared 'p'");
  CHECK(query(postgres.conninfo(), "select count(*) from ops.system_logs") == "1");
}

}  // namespace rollbackd::tests
