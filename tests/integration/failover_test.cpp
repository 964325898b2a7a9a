#include <csignal>

#include <doctest/doctest.h>

#include "engine/database/server_identity.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using rollbackd::engine::server_identity;

TEST_CASE(
    "the server's identity is the same over connections, and another after a restart, a crash of "
    "one backend and on another server") {
  InstalledPostgres postgres;
  const auto identity_now = [&] {
    return server_identity(*connect(postgres.conninfo("rollbackd")));
  };
  const std::string first = identity_now();
  CHECK(identity_now() == first);

  postgres.restart();
  const std::string second = identity_now();
  CHECK(second != first);

  ::kill(connect(postgres.conninfo())->backendpid(), SIGKILL);
  std::string third;
  eventually("the server to be back", 60, [&] {
    try {
      third = identity_now();
    } catch (const std::exception&) {
      return false;
    }
    return third != second;
  });

  PostgresOptions own;
  own.own_initdb = true;
  const Postgres other{own};
  CHECK(server_identity(*connect(other.conninfo())) != third);
}

TEST_CASE(
    "a standby is promoted: the daemon finds it, rebuilds its windows, counts what is there and "
    "acts") {
  std::unique_ptr<Postgres> standby;
  Stage stage{"", {}, {}, {[&](Postgres& postgres) {
                standby = postgres.make_standby();
                return "host=" + postgres.directory().string() + "," +
                       standby->directory().string() + " port=" + std::to_string(postgres.port()) +
                       "," + std::to_string(standby->port()) + " dbname=app user=rollbackd";
              }}};
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  stage.log_errors(3);
  const std::string identity = server_identity(*connect(stage.postgres().conninfo()));
  const std::string written = stage.ask("select pg_current_wal_lsn()");
  eventually("the standby to have it all", 60, [&] {
    return query(standby->conninfo(),
                 "select pg_last_wal_replay_lsn() >= '" + written + "'::pg_lsn") == "t";
  });
  stage.postgres().crash();
  standby->promote();
  // The same system, before any checkpoint, and yet another identity.
  CHECK(server_identity(*connect(standby->conninfo())) != identity);
  stage.ask_at(*standby);
  stage.log_errors(2);
  stage.wait_for_readiness(200, "\"role\":\"leader\"");
  CHECK(stage.disagreement(bad) == "");
  stage.log_errors(2);
  CHECK(stage.wait_for_end(bad) == "success");
}
