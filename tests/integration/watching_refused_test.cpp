#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "engine/clock.hpp"
#include "tests/support/watched_log.hpp"

// What ops.watch_error_log() refuses, what it warns of, and how it waits.

namespace rollbackd::tests {
namespace {

struct WatchingRefusedTest;

using namespace std::chrono_literals;

class Warnings : public pqxx::errorhandler {
 public:
  explicit Warnings(pqxx::connection& connection) : errorhandler{connection} {}
  bool operator()(const char message[]) noexcept override {
    said += message;
    return false;
  }
  std::string said;
};

// The whole text of the error that the call ends with, its hint included; empty: none.
std::string refusal(const std::string& setup, const std::string& arguments,
                    const std::string& role = "postgres") {
  const auto connection = connect(server_of<WatchingRefusedTest>().conninfo());
  pqxx::work work{*connection};
  work.exec(
      "create schema app; create table app.log (id bigserial, timestamp timestamptz, severity"
      " text, message text, j json, n numeric);" +
      setup + "; set local role " + role);
  try {
    work.exec("do $$ begin perform ops.watch_error_log(" + arguments +
              "); exception when others then declare v_hint text; begin get stacked diagnostics"
              " v_hint = pg_exception_hint; raise exception '%. %', sqlerrm, v_hint; end; end $$");
    return {};
  } catch (const pqxx::failure& e) {
    return e.what();
  }
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("what cannot be watched is refused with the reason and the remedy") {
  struct Case {
    std::string setup, arguments, error, hint;
  };
  for (const Case& c : std::vector<Case>{
           {"", "null", "there is no table (null)", "Give its name with its schema"},
           {"", "999999", "there is no table 999999", "Give its name"},
           {"create view app.v as select * from app.log", "'app.v'", "app.v is a view, not a table",
            "Watch the table that the rows are inserted into"},
           {"create table app.p (id int, timestamp timestamptz, severity text, message text)"
            " partition by list (id); create table app.p1 partition of app.p default",
            "'app.p1'", "app.p1 is a partition of app.p", "Watch the whole"},
           {"create temporary table t (id int)", "'pg_temp.t'", "is a temporary table",
            "Only its own session sees its rows"},
           {"create table app.child () inherits (app.log)", "'app.log'",
            "other tables inherit from app.log", "one by one"},
           {"", "'ops.roman_events'", "ops.roman_events is a table of rollbackd itself",
            "Watch the table that the applications write"},
           {"", "'app.log', p_message => 'text'", "app.log has no column text",
            "Give p_message one of: id, \"timestamp\", severity, message, j, n"},
           {"", "'app.log', p_key => null", "app.log has no column (none was given)",
            "Give p_key one of"},
           {"", "'app.log', p_key => 'n'", "the column n of app.log is numeric",
            "has to be smallint, integer or bigint"},
           {"", "'app.log', p_timestamp => 'message'", "the column message of app.log is text",
            "has to be timestamptz, or timestamp"},
           {"", "'app.log', p_severity => 'n'", "the column n of app.log is numeric",
            "has to be text, varchar, an enum or an integer"},
           {"", "'app.log', p_metadata => 'j'", "the column j of app.log is json",
            "only jsonb can be read without fear"},
           {"", "'app.log', p_deployment_id => 'message'", "the column message of app.log is text",
            "known by a uuid"},
           {"", "'app.log', p_severities => '{}'", "no severity is given",
            "Give p_severities the values"},
           {"", "'app.log', p_severities => null", "no severity is given", "Give p_severities"},
           {"", "'app.log', p_severity => 'id'", "the severity 'error' is no number", "'{40,50}'"},
           {"create type app.level as enum ('Error', 'Warn'); alter table app.log add l app.level",
            "'app.log', p_severity => 'l'",
            "none of the severities {error,critical} is a label of app.level",
            "Give p_severities some of: Error, Warn"},
           {"", "'app.log', p_default_service => ''",
            "p_default_environment and p_default_service may not be empty", "They stand in"},
           {"alter table app.log add xid int, add rollbackd_xid int", "'app.log'", "both not xid8",
            "Rename one of them"},
           {"create publication p for table app.log", "'app.log'",
            "app.log is published by p, and subscribers that lack its new column xid would stop",
            "alter table app.log add column xid xid8"},
       }) {
    const std::string said = refusal(c.setup, c.arguments);
    CHECK_MESSAGE(says(said, c.error), said);
    CHECK_MESSAGE(says(said, c.hint), said);
  }
}

TEST_CASE("the column of a published table may come first, or be left out of the publication") {
  CHECK(refusal("create publication p for table app.log; alter table app.log add xid xid8",
                "'app.log'") == "");
  CHECK(refusal("create publication p for table app.log (id, severity)", "'app.log'") == "");
}

TEST_CASE("somebody else's table is refused, and an owner who is one of us needs no superuser") {
  const std::string people =
      "create role owner_of_log; create role other; grant rollbackd_owner to owner_of_log, other;"
      "grant usage on schema app to other; alter table app.log owner to owner_of_log;"
      "grant usage, create on schema app to owner_of_log";
  const std::string said = refusal(people, "'app.log'", "other");
  CHECK_MESSAGE(says(said, "app.log belongs to owner_of_log, not to other"), said);
  CHECK_MESSAGE(says(said, "Call this as owner_of_log"), said);
  CHECK(refusal(people, "'app.log'", "owner_of_log") == "");
}

TEST_CASE("what the caller may not do is returned for whoever may") {
  InstalledPostgres postgres;
  const auto connection = connect(postgres.conninfo());
  rows(
      *connection,
      "create role dev login; grant rollbackd_owner to dev; create schema app;"
      "grant usage on schema app to dev; create table app.log (id bigserial, timestamp timestamptz,"
      " severity text, message text); alter table app.log owner to dev");
  const auto left = watch(*connect(postgres.conninfo("dev")), "'app.log'");
  REQUIRE(left.size() == 3);
  CHECK(left[0] == "grant usage on schema app to rollbackd");
  for (const auto& statement : left) {
    rows(*connection, statement);
  }
  CHECK(watch(*connect(postgres.conninfo("dev")), "'app.log'").empty());
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");
}

TEST_CASE(
    "values that differ only by case, labels that do not exist, and unlogged tables are said") {
  const auto connection = connect(server_of<WatchingRefusedTest>().conninfo());
  Warnings warnings{*connection};
  pqxx::work work{*connection};
  work.exec(
      "create schema app; create type app.level as enum ('error', 'Critical');"
      "create unlogged table app.log (id bigserial, timestamp timestamptz, severity text,"
      " message text, l app.level); insert into app.log (severity) select 'ERROR' from"
      " generate_series(1, 99); insert into app.log (severity) select 'info' from"
      " generate_series(1, 99); analyze app.log");
  work.exec("select ops.watch_error_log('app.log')");
  CHECK(says(warnings.said, "app.log: the severity ERROR differs from a given one only by case"));
  CHECK(says(warnings.said, "app.log is unlogged"));
  CHECK(says(warnings.said, "app.log: column xid added, without a rewrite"));
  CHECK(says(warnings.said, "app.log: doorbell rollbackd_ring attached"));
  CHECK(says(warnings.said, "app.log: 2 statements are left to be run"));
  warnings.said.clear();
  work.exec("select ops.watch_error_log('app.log', p_severity => 'l')");
  CHECK(says(warnings.said, "critical is no label of app.level and left out"));
  CHECK(
      says(warnings.said, "app.log: the severity Critical differs from a given one only by case"));
}

TEST_CASE("a long transaction is named, and nobody waits behind the attaching for long") {
  InstalledPostgres postgres;
  rows(postgres.conninfo(),
       "create schema app; create table app.log (id bigserial, timestamp"
       " timestamptz, severity text, message text)");
  const auto reader = connect(postgres.conninfo() + " application_name=report");
  rows(*reader, "begin; select * from app.log");
  auto attaching = std::async(std::launch::async, [&] {
    try {
      rows(postgres.conninfo(), "select ops.watch_error_log('app.log')");
      return std::string{};
    } catch (const pqxx::failure& e) {
      return std::string{e.what()};
    }
  });
  const auto writer = connect(postgres.conninfo());
  auto longest = 0ms;
  while (attaching.wait_for(0ms) != std::future_status::ready) {
    const auto begin = engine::steady_now();
    rows(*writer, "insert into app.log (severity) values ('error')");
    longest = std::max(longest, std::chrono::duration_cast<std::chrono::milliseconds>(
                                    engine::steady_now() - begin));
  }
  const std::string said = attaching.get();
  const std::string pid = std::to_string(reader->backendpid());
  CHECK_MESSAGE(says(said, "app.log is in use: process " + pid +
                               " (role postgres, application"
                               " 'report') has been in a transaction since"),
                said);
  CHECK_MESSAGE(says(said, "holds AccessShareLock on app.log"), said);
  CHECK_MESSAGE(says(said, "select pg_terminate_backend(" + pid + ") ends it"), said);
  CHECK(longest > 1s);
  CHECK(longest < 4s);
  CHECK(query(postgres.conninfo(),
              "select count(*) from ops.watched_logs"
              " where log <> 'ops.heartbeats'::regclass") == "1");
  rows(*reader, "commit");
  CHECK(watch(*writer, "'app.log'").size() == 2);
}

}  // namespace rollbackd::tests
