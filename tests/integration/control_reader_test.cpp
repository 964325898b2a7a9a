#include "engine/store/control_reader.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "engine/board.hpp"
#include "rules/limits.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::tests {
namespace {

struct Reading : InstalledPostgres {
  Reading() { reader.start(); }
  ~Reading() { reader.stop(); }

  // The next one that was read after this call.
  rules::ControlRead next() {
    reader.read(++number);
    CHECK(run_until(reactor, [&] { return last().number >= number; }));
    return last();
  }
  rules::ControlRead last() const {
    const auto all = inbox.all<rules::ControlRead>();
    return all.empty() ? rules::ControlRead{} : all.back();
  }
  void run(const std::string& sql) const { rows(conninfo(), sql); }

  std::uint64_t number = 0;
  engine::asio::io_context reactor;
  RecordingInbox inbox;
  RecordingLog log;
  engine::StatusBoard board;
  engine::ControlReader reader{reactor, {conninfo("rollbackd"), {}}, inbox, log, board};
};

}  // namespace

TEST_CASE("a pause by plain SQL is seen without being asked for, within twice control_every") {
  Reading f;
  f.next();
  CHECK_FALSE(f.last().pause.on);
  // The quickest of some: a busy machine may keep any of them waiting.
  rules::Duration quickest = rules::minutes{1};
  for (int i = 0; i < 3; ++i) {
    f.run("update ops.control set paused = false");
    REQUIRE(run_until(f.reactor, [&] { return !f.last().pause.on; }));
    f.run(
        "update ops.control set paused = true, paused_by = 'alice', reason = 'moving',"
        " since = '2025-12-15 12:00Z'");
    const engine::SteadyTime begun = engine::steady_now();
    REQUIRE(run_until(f.reactor, [&] { return f.last().pause.on; }));
    quickest = std::min<rules::Duration>(quickest, engine::steady_now() - begun);
  }
  CHECK(quickest < rules::limits::control_every * 2);
  CHECK(f.last().pause == rules::Pause{true, "alice", "moving", rules::instant_of(1'765'800'000)});
  f.run("update ops.control set paused = false, paused_by = null, reason = null, since = null");
  CHECK(f.next().pause == rules::Pause{});
}

TEST_CASE("an answer was read after its question, however often it is asked") {
  Reading f;
  for (int i = 0; i < 50; ++i) {
    f.run("update ops.control set paused = not paused");
    CHECK(f.next().pause.on == (i % 2 == 0));
  }
}

TEST_CASE("open breakers are read, closed ones are not, and what is no moment harms nothing") {
  Reading f;
  f.run(
      "insert into ops.breakers (environment, reason, opened_at, closed_at) values"
      " ('production', 'capped', '2025-12-15 12:00Z', null), ('old', 'capped', now(), now()),"
      " ('odd', 'by hand', 'infinity', null);"
      "update ops.control set since = '-infinity'");
  const rules::ControlRead read = f.next();
  REQUIRE(read.breakers.size() == 2);
  CHECK(read.breakers[0] ==
        rules::Breaker{"production", "capped", rules::instant_of(1'765'800'000)});
  CHECK(read.breakers[1].environment == "odd");
  f.run(
      "update ops.breakers set closed_at = now(), closed_by = 'alice'"
      " where environment = 'production' and closed_at is null");
  CHECK(f.next().breakers.size() == 1);
}

TEST_CASE("migrations come oldest first, with what a decision asks of them") {
  Reading f;
  const std::string deployment =
      query(f.conninfo(),
            "insert into ops.deployments (environment, version, git_commit, git_branch)"
            " values ('e', '1', 'c', 'main') returning deployment_id");
  f.run(
      "insert into ops.migration_history (migration_name, migration_hash, applied_at,"
      " deployment_id, rollback_script, metadata, rolled_back_at, rollback_successful) values"
      " ('second', 'h', '2025-12-15 12:00Z', '" +
      deployment +
      "', 'drop table x', '{\"backward_compatible\": true}', null, null),"
      " ('first', 'h', '2025-12-14 12:00Z', null, '', '{\"backward_compatible\": \"no\"}',"
      "  null, null),"
      " ('undone', 'h', now(), null, 'x', null, now(), true),"
      " ('undone by hand', 'h', now(), null, 'x', null, now(), null),"
      " ('broken', 'h', '2025-12-16 12:00Z', null, 'x', null, null, false),"
      " ('of no time', 'h', null, null, null, null, null, null)");
  const std::vector<rules::Migration> expected{
      {"first", {}, rules::instant_of(1'765'713'600), false, false, false},
      {"second", rules::DeploymentId::parse(deployment), rules::instant_of(1'765'800'000), true,
       true, false},
      {"broken", {}, rules::instant_of(1'765'886'400), false, true, true},
      {"of no time", {}, {}, false, false, false}};
  CHECK(f.next().migrations == expected);
  CHECK(f.next().migrations == expected);  // also when they are not sent again
  f.run(
      "update ops.migration_history set rollback_successful = null where migration_name ="
      " 'broken'");
  CHECK_FALSE(f.next().migrations.at(2).revert_failed);
}

TEST_CASE("of too many migrations the newest are given, and it is said") {
  Reading f;
  const std::size_t most = rules::limits::migrations_max;
  f.run(
      "insert into ops.migration_history (migration_name, migration_hash, applied_at)"
      " select i, 'h', '2025-01-01'::timestamptz + i * interval '1 minute'"
      " from generate_series(1, " +
      std::to_string(most) + ") i");
  CHECK_FALSE(f.next().migrations_cut);
  f.run("insert into ops.migration_history (migration_name, migration_hash) values ('last', 'h')");
  const rules::ControlRead read = f.next();
  CHECK(read.migrations_cut);
  REQUIRE(read.migrations.size() == most);
  CHECK(read.migrations.front().name == "2");
  CHECK(read.migrations.back().name == "last");
}

TEST_CASE("what cannot be read is told once and on the board, and read again when it can be") {
  Reading f;
  f.next();
  f.run("alter table ops.control rename to hidden");
  CHECK(run_until(f.reactor, [&] { return !f.board.problem_of(engine::Part::control).empty(); }));
  CHECK(f.board.problem_of(engine::Part::control).find("nothing is dispatched") !=
        std::string::npos);
  f.run("alter table ops.hidden rename to control; delete from ops.control");
  CHECK(run_until(f.reactor, [&] {
    return f.board.problem_of(engine::Part::control).find("exactly one row") != std::string::npos;
  }));
  f.run("insert into ops.control (paused) values (true)");
  CHECK(f.next().pause.on);
  CHECK(f.board.problem_of(engine::Part::control).empty());
  CHECK(f.log.has(engine::LogLevel::error, "control_unreadable"));
  CHECK(f.log.has(engine::LogLevel::info, "control_readable"));
}

TEST_CASE("the holder of the lead is known") {
  Reading f;
  f.run("update ops.leader set holder = 'a machine:1/rollbackd'");
  f.next();
  CHECK(run_until(f.reactor, [&] { return f.reader.leader() == "a machine:1/rollbackd"; }));
}

}  // namespace rollbackd::tests
