// A connection pooler between the daemon and the server.

#include <memory>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include "engine/database/connection.hpp"
#include "engine/database/doorbell_names.hpp"
#include "engine/database/pooling.hpp"
#include "tests/support/pgbouncer.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)
using rollbackd::engine::doorbell_key;
using rollbackd::engine::leader_key;
using rollbackd::engine::open_connection;
using rollbackd::engine::Pooling;
using rollbackd::engine::pooling_at;

namespace {

// The stage asks the server itself.
class Pooled {
 public:
  explicit Pooled(const std::string& pool_mode, const std::string& more = "")
      : stage{more,
              {},
              {},
              {[this, pool_mode](Postgres& postgres) {
                 // A session pooler needs one for each of the daemon's sessions.
                 pgbouncer.emplace(postgres, pool_mode, pool_mode == "session" ? 20 : 6);
                 return pgbouncer->conninfo();
               },
               pool_mode == "session"}} {}

  std::optional<PgBouncer> pgbouncer;
  Stage stage;

  // Writers hold K shared for as long as their transactions; those are not meant.
  std::string holders_of(std::int64_t key) {
    return stage.ask(
        "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock'"
        " and objid = " +
        std::to_string(key & 0xffffffff));
  }
};

}  // namespace

TEST_CASE("what a pooler does is found out by trying, and nothing is left behind") {
  Postgres postgres;
  query(postgres.conninfo(), "create role rollbackd login");
  const PgBouncer transaction{postgres, "transaction"};
  const PgBouncer session{postgres, "session"};
  CHECK(pooling_at(postgres.conninfo()) == Pooling::none);
  CHECK(pooling_at(session.conninfo()) == Pooling::session);
  CHECK(pooling_at(transaction.conninfo()) == Pooling::transaction);
  CHECK_FALSE(pooling_at("host=127.0.0.1 port=1").has_value());
  CHECK_FALSE(open_connection(postgres.conninfo())->is_pooled());
  CHECK(open_connection(session.conninfo())->is_pooled());
  CHECK(open_connection(transaction.conninfo())->is_pooled());
  const auto any = connect(transaction.conninfo());
  for (int i = 0; i < 10; ++i) {
    CHECK(query(*any, "select count(*) from pg_listening_channels()") == "0");
  }
}

TEST_CASE(
    "behind a transaction pooler it polls and says so, counts exactly and rolls back, and never "
    "takes K") {
  Pooled pooled{"transaction"};
  Stage& stage = pooled.stage;
  stage.daemon().wait_for_log({"event=feed_polls", "transaction mode"});
  stage.wait_for_readiness(200, "\"feed\":\"polling: a connection pooler in transaction mode");
  CHECK(stage.metric("rollbackd_feed_polling") == "1");
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  stage.log_errors(4);
  CHECK(stage.disagreement(bad) == "");
  CHECK(pooled.holders_of(doorbell_key) == "0");
  CHECK(pooled.holders_of(leader_key) == "1");

  const Daemon second{stage.configuration()};
  second.wait_for_log({"event=waiting_to_lead"});

  stage.log_errors(3);
  CHECK(stage.wait_for_end(bad) == "success");
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "1");
  CHECK(stage.running_version() == "v1 commit-of-v1 app");
  CHECK(second.log().find("event=leading") == std::string::npos);
  CHECK(stage.daemon().log().find("prepared statement") == std::string::npos);

  stage.daemon().kill();
  second.wait_for_log({"event=leading"});
  CHECK(pooled.holders_of(doorbell_key) == "0");
}

TEST_CASE("other clients of the pool find nothing of the daemon's settings in their sessions") {
  Pooled pooled{"transaction"};
  const std::string deployment = pooled.stage.deploy("v1");
  pooled.stage.wait_until_watched(deployment);
  const std::string fresh =
      query(pooled.stage.postgres().conninfo("rollbackd"),
            "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings"
            " where name in ('search_path', 'statement_timeout', 'lock_timeout', 'enable_seqscan',"
            " 'idle_session_timeout', 'idle_in_transaction_session_timeout', 'plan_cache_mode')");
  std::vector<std::unique_ptr<pqxx::connection>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(connect(pooled.pgbouncer->conninfo()));
    CHECK(query(*clients.back(),
                "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings"
                " where name in ('search_path', 'statement_timeout', 'lock_timeout',"
                " 'enable_seqscan', 'idle_session_timeout', 'idle_in_transaction_session_timeout',"
                " 'plan_cache_mode')") == fresh);
    CHECK(query(*clients.back(), "select count(*) from pg_prepared_statements") == "0");
  }
}

TEST_CASE("behind a session pooler LISTEN works, K is held and the bell is heard") {
  Pooled pooled{"session"};
  Stage& stage = pooled.stage;
  stage.wait_for_readiness(200, "\"feed\":\"listening\"");
  CHECK(pooled.holders_of(doorbell_key) == "1");
  const std::string deployment = stage.deploy("v1");
  stage.wait_until_watched(deployment);
  stage.log_errors(4);
  CHECK(stage.disagreement(deployment) == "");
}
