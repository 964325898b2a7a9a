// What a commit of the journal promises, against a server.

#include "engine/store/journal.hpp"

#include <atomic>

#include <doctest/doctest.h>

#include "engine/board.hpp"
#include "engine/store/journal_sql.hpp"
#include "engine/store/journal_statements.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::tests {
namespace {

rules::RomanEvent story(const std::string& description) {
  return {"rollback_step", "info", description, {}, {"production", "api"}, {}};
}

rules::Rollback rollback_of(const std::string& deployment) {
  rules::Rollback rollback;
  rollback.id = *rules::EventId::parse("11111111-1111-4111-8111-111111111111");
  rollback.deployment = *rules::DeploymentId::parse(deployment);
  rollback.service = {"production", "api"};
  rollback.status = rules::RollbackStatus::in_progress;
  rollback.decided_at = rules::instant_of(1'765'809'300);
  rollback.version = "v2";
  return rollback;
}

// A server with a good and a bad deployment.
struct Database : TwoDeployments {
  rules::MarkRolledBack mark(rules::DeploymentStatus from) const {
    return {*rules::DeploymentId::parse(bad), from,
            *rules::DeploymentId::parse("22222222-2222-4222-8222-222222222222"),
            *rules::DeploymentId::parse(good), rules::instant_of(1'765'809'300)};
  }
  std::int64_t epoch() const { return std::stoll(ask("select epoch from ops.leader")); }
  std::string status() const {
    return ask("select status from ops.deployments where deployment_id = '" + bad + "'");
  }
};

struct Fixture : Database {
  Fixture() { journal.lead(epoch()); }

  // Waits for the answer to the commit that is the n-th answered one.
  rules::CommitDone answer(std::size_t n) {
    eventually("the answer to the commit", 20,
               [&] { return inbox.all<rules::CommitDone>().size() >= n; });
    return inbox.all<rules::CommitDone>().at(n - 1);
  }
  void read(std::size_t n) {
    journal.read();
    eventually("the journal to be read", 20,
               [&] { return inbox.all<rules::JournalRead>().size() >= n; });
  }

  engine::DatabaseTime time;
  engine::CommitLatency latency;
  RecordingInbox inbox;
  RecordingLog log;
  RecordingMeter meter;
  engine::StatusBoard board;
  std::atomic<int> epochs_lost{0};
  engine::PostgresJournal journal{
      {conninfo("rollbackd"), {}},       time, latency, inbox, log, meter, board,
      {[] {}, [this] { ++epochs_lost; }}};
};

}  // namespace

TEST_CASE("a row that is not as believed undoes the commit, and what follows waits for a reading") {
  Fixture f;
  f.read(1);
  f.journal.write(
      {1, {story("before"), rules::PutRollback{rollback_of(f.bad)}, story("after")}, {}});
  f.journal.write({2, {story("decided on the same belief")}, {}});
  const rules::CommitDone refused = f.answer(1);
  CHECK(refused.id == 1);
  CHECK_FALSE(refused.committed);
  CHECK(refused.error.find("the row of the rollback changed 0 rows instead of one") !=
        std::string::npos);
  f.read(2);
  f.journal.write({3, {story("decided anew")}, {}});
  CHECK(f.answer(2).id == 3);
  CHECK(f.answer(2).committed);
  CHECK(f.ask("select string_agg(description, ' ') from ops.roman_events") == "decided anew");
}

TEST_CASE("a connection that is lost in the middle of a commit: not committed as far as known") {
  Fixture f;
  f.read(1);
  const auto blocking = connect(f.conninfo());
  pqxx::work locking{*blocking};
  locking.exec("lock table ops.outbox in access exclusive mode");
  f.journal.write({1, {story("before the alert"), rules::Alert{{}, rollback_of(f.bad)}}, {}});
  eventually("the commit to wait for the lock and be ended", 20, [&] {
    return f.ask(
               "select count(pg_terminate_backend(pid)) from pg_stat_activity"
               " where application_name like '%journal%' and wait_event_type = 'Lock'") == "1";
  });
  CHECK_FALSE(f.answer(1).committed);
  CHECK(f.answer(1).error.find("the connection to the database was lost: ") == 0);
  locking.commit();
  f.read(2);
  CHECK(f.ask("select count(*) from ops.roman_events") == "0");
}

TEST_CASE("a deployment is marked only while it has the status that would be put back") {
  const Database f;
  const auto connection = engine::open_connection(f.conninfo("rollbackd"));
  engine::prepare_statements(*connection);
  CHECK_THROWS_WITH_AS(
      engine::write_entries(*connection, f.epoch(), {f.mark(rules::DeploymentStatus::in_progress)}),
      doctest::Contains("mark_rolled_back changed 0 rows instead of one"), pqxx::sql_error);
  CHECK(f.status() == "success");
  CHECK(f.ask("select count(*) from ops.deployments") == "2");
  engine::write_entries(*connection, f.epoch(), {f.mark(rules::DeploymentStatus::success)});
  CHECK(f.status() == "rolled_back");
}

TEST_CASE("the entries of a commit are one transaction, and only a step's may touch the status") {
  const Database f;
  const auto connection = engine::open_connection(f.conninfo("rollbackd"));
  engine::prepare_statements(*connection);
  engine::write_entries(*connection, f.epoch(),
                        {rules::PutRollback{rollback_of(f.bad), true}, story("one"),
                         f.mark(rules::DeploymentStatus::success), story("two")});
  CHECK(f.ask("select count(distinct xmin::text) from (select xmin from ops.rollback_events union"
              " all select xmin from ops.roman_events union all select xmin from ops.deployments"
              " where version = 'v2' or rollback_from is not null) r") == "1");
  query(*connection,
        "update ops.deployments set status = 'success' where deployment_id = '" + f.bad + "'");
  CHECK(f.status() == "rolled_back");
}

TEST_CASE("texts come back from the journal as they were, whatever is in them") {
  for (const char* strings : {"on", "off"}) {
    CAPTURE(strings);
    const Database f;
    f.ask(std::string{"alter role rollbackd set standard_conforming_strings = "} + strings);
    const auto connection = engine::open_connection(f.conninfo("rollbackd"));
    engine::prepare_statements(*connection);
    rules::Rollback written = rollback_of(f.bad);
    const std::string text =
        "it's \"quoted\" \\ '' \\' $1 $$ ; -- /* \n\t\r ?) {} \u00e9\U0001f600";
    written.reason = text;
    written.service.name = text;
    written.version = text;
    written.steps[0].error = text;
    written.steps[0].metadata = {{text, text}};
    engine::write_entries(*connection, f.epoch(), {rules::PutRollback{written, true}, story(text)});
    std::vector<std::string> problems;
    pqxx::work work{*connection};
    const std::vector<rules::Rollback> read = engine::read_active(work, problems);
    REQUIRE(problems.empty());
    REQUIRE(read.size() == 1);
    CHECK(read.front().reason == text);
    CHECK(read.front().service == written.service);
    CHECK(read.front().version == text);
    CHECK(read.front().steps == written.steps);
    CHECK(query(f.conninfo(), "select description from ops.roman_events") == text);
  }
}

}  // namespace rollbackd::tests
