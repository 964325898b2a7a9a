#include <csignal>

#include <doctest/doctest.h>

#include "engine/database/server_identity.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/installed.hpp"

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
  eventually("the server to be back", 20, [&] {
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
