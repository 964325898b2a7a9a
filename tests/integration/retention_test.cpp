#include "engine/store/retention.hpp"

#include <string>

#include <doctest/doctest.h>

#include "tests/support/installed.hpp"
#include "tests/support/recorders.hpp"

// Old rows of ours go, a batch at a time; nobody else's ever do.

namespace rollbackd::tests {
namespace {

struct Fixture {
  std::string ask(const std::string& sql) { return query(server.conninfo(), sql); }
  // Waits until a round over all tables has ended after the one at hand.
  void wait_for(const std::string& sql, const std::string& answer) {
    CHECK_MESSAGE(run_until(reactor, [&] { return ask(sql) == answer; }), sql);
  }

  InstalledPostgres server;
  engine::asio::io_context reactor;
  RecordingLog log;
  engine::Retention retention{reactor,
                              {server.conninfo("rollbackd"), {}},
                              {},
                              log,
                              {rules::Duration{0}, rules::Duration{0}}};
};

}  // namespace

TEST_CASE("retention: what is older than its limit goes, what is younger stays") {
  Fixture f;
  f.ask(R"(
    insert into ops.response_times (timestamp, duration_ms)
      select now() - interval '7 days' - make_interval(secs => 60 * i), i from generate_series(1, 2500) i;
    insert into ops.response_times (timestamp, duration_ms) values (now() - interval '6 days', -1);
    insert into ops.roman_events (timestamp, event_type, severity, source) values
      (now() - interval '401 days', 'warning', 'info', 'rollbackd'),
      (now() - interval '399 days', 'warning', 'info', 'rollbackd');
    insert into ops.outbox (kind, payload, created_at, sent_at, next_attempt_at) values
      ('sent', '{}', now() - interval '40 days', now() - interval '31 days', now()),
      ('sent lately', '{}', now() - interval '40 days', now() - interval '29 days', now()),
      ('given up', '{}', now() - interval '31 days', null, 'infinity'),
      ('waiting', '{}', now() - interval '900 days', null, now()))");
  f.retention.lead();
  f.wait_for("select count(*) from ops.response_times", "1");
  f.wait_for("select count(*) from ops.roman_events", "1");
  f.wait_for("select string_agg(kind, ', ' order by kind) from ops.outbox", "sent lately, waiting");
  CHECK(f.log.text().find("retention table=ops.response_times rows_deleted=2500") !=
        std::string::npos);
}

TEST_CASE("retention: what people and other programs wrote is never touched, however old") {
  Fixture f;
  const std::string old = "now() - interval '9 years'";
  f.ask("insert into ops.system_logs (timestamp, severity, source, message) values (" + old +
        ", 'error', 's', 'm');"
        "insert into ops.roman_events (timestamp, event_type, severity, source) values (" +
        old + ", 'x', 'info', 'R.O.M.A.N.'), (" + old + ", 'y', 'info', null);" +
        "insert into ops.system_snapshots (snapshot_type, created_at, key_metrics) values"
        " ('pre_rollback', " +
        old + ", '{\"cpu\": 1}'), ('pre_rollback', " + old + ", null);" +
        "insert into ops.deployments (environment, version, git_commit, git_branch, deployed_at)"
        " values ('e', '1', 'c', 'main', " +
        old +
        ");"
        "insert into ops.rollback_events (trigger_type, trigger_reason, initiated_at) values"
        " ('manual', 'r', " +
        old +
        ");"
        "insert into ops.migration_history (migration_name, migration_hash, applied_at) values"
        " ('n', 'h', " +
        old +
        ");"
        // The mark that a round has gone by: of ours, in the table that comes last.
        "insert into ops.outbox (kind, payload, sent_at) values ('sent', '{}', " +
        old + ")");
  f.ask("select ops.create_system_snapshot(deployment_id, 'pre_deployment') from ops.deployments");
  f.ask("update ops.system_snapshots set created_at = " + old);
  f.retention.lead();
  f.wait_for("select count(*) from ops.outbox", "0");
  CHECK(f.ask("select (select count(*) from ops.system_logs) || ' ' ||"
              " (select count(*) from ops.roman_events) || ' ' ||"
              " (select count(*) from ops.system_snapshots) || ' ' ||"
              " (select count(*) from ops.deployments) || ' ' ||"
              " (select count(*) from ops.rollback_events) || ' ' ||"
              " (select count(*) from ops.migration_history)") == "1 2 2 1 1 1");
}

TEST_CASE(
    "retention: only a leader deletes, with the limits of that moment, and goes on after trouble") {
  Fixture f;
  f.ask(
      "insert into ops.response_times (timestamp, duration_ms)"
      " values (now() - interval '3 hours', 1)");
  f.ask(
      "insert into ops.outbox (kind, payload, sent_at) values ('a', '{}', now() - interval '9 "
      "years')");
  f.ask("revoke delete on ops.response_times from rollbackd");
  f.retention.lead();
  f.wait_for("select count(*) from ops.outbox", "0");
  CHECK(f.log.has(engine::LogLevel::warning, "retention_failed table=ops.response_times"));
  f.retention.follow();
  f.ask("grant delete on ops.response_times to rollbackd");
  engine::RetentionSettings short_lived;
  short_lived.response_times = rules::minutes{60};
  f.retention.use(short_lived);
  f.ask(
      "insert into ops.outbox (kind, payload, sent_at) values ('b', '{}', now() - interval '9 "
      "years')");
  // What was on its way ends; nothing begins.
  f.reactor.restart();
  f.reactor.run_for(std::chrono::milliseconds{300});
  CHECK(f.ask("select count(*) from ops.outbox") == "1");
  f.retention.lead();
  f.wait_for("select count(*) from ops.response_times", "0");
}

}  // namespace rollbackd::tests
