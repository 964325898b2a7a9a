#include "engine/store/migration_script.hpp"

#include <doctest/doctest.h>

namespace rollbackd::engine {
namespace {

// The statements with | in between; of a refused script what is said.
std::string of(std::string_view script) {
  const auto statements = migration_statements(script);
  if (!statements) {
    return "refused: " + statements.error().what;
  }
  std::string all;
  for (const std::string& statement : *statements) {
    all += (all.empty() ? "" : "|") + statement;
  }
  return all;
}

bool is_refused(std::string_view script) { return of(script).starts_with("refused: its"); }

}  // namespace

TEST_CASE("migration script: statements end where the server would end them") {
  CHECK(of("drop table a; drop table b;") == "drop table a|drop table b");
  CHECK(of("insert into a values ('x;''y')") == "insert into a values ('x;''y')");
  CHECK(of("select e'it\\'s; one'; select 2") == "select e'it\\'s; one'|select 2");
  CHECK(of("select e'a''\\'; b'; x") == "select e'a''\\'; b'|x");
  CHECK(of("select date'2020-01-01\\'; select 2") == "select date'2020-01-01\\'|select 2");
  CHECK(of("select \"a;b\"; x") == "select \"a;b\"|x");
  CHECK(of("do $$ begin; end $$; x") == "do $$ begin; end $$|x");
  CHECK(of("do $a_1$ $$;$$ $a_1$; x") == "do $a_1$ $$;$$ $a_1$|x");
  CHECK(of("select a$b$; select c$b$") == "select a$b$|select c$b$");
  CHECK(of("select $1; select $2") == "select $1|select $2");
  CHECK(of("-- a; b\nx; /* c; /* d; */ ; */ y") == "-- a; b\nx|/* c; /* d; */ ; */ y");
  CHECK(of("select 'never ends; x") == "select 'never ends; x");
  CHECK(of("/* never ends; x") == "refused: it has no rollback_script");
}

TEST_CASE("migration script: the body of a function in SQL is one statement") {
  const std::string function =
      "create function f(a int) returns int begin atomic select case when a > 0 then 1 end; select "
      "2; END";
  CHECK(of(function + "; drop table b") == function + "|drop table b");
}

TEST_CASE("migration script: what begins or ends a transaction is refused, however it is written") {
  for (const char* script : {"begin",
                             "BEGIN;",
                             "drop table a; Commit",
                             "start transaction",
                             "end",
                             "rollback",
                             "rollback and chain",
                             "abort",
                             "prepare transaction 'x'",
                             "/* a */ commit",
                             "-- a\n  commit work",
                             "commit/* a */",
                             "prepare /* a */ transaction 'x'",
                             "select e'a''\\''; commit; select 'x'",
                             "select $1$; commit; select $1$",
                             "select begin atomic; commit",
                             "select 1 as begin; atomic(); commit",
                             "create view v as select begin, atomic from t; commit",
                             "rollback prepared 'x'",
                             "do $$ $$; commit prepared 'x'",
                             "end work"}) {
    CHECK_MESSAGE(is_refused(script), script);
  }
}

TEST_CASE("migration script: savepoints and words that only look like it are not refused") {
  for (const char* script :
       {"savepoint a; rollback to a", "rollback to savepoint a", "rollback work to a",
        "release savepoint a", "prepare x as select 1", "do $$ begin commit; end $$",
        "insert into commit values (1)", "commits", "begin_all()", "select 'commit;'"}) {
    CHECK_MESSAGE(!is_refused(script), script);
  }
}

TEST_CASE("migration script: nothing is no script") {
  for (const char* script : {"", " \n", ";;", "-- only this", "/* and this */ ;"}) {
    CHECK(of(script) == "refused: it has no rollback_script");
  }
}

}  // namespace rollbackd::engine
