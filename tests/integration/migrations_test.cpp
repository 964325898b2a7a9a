#include "engine/store/migrations.hpp"

#include <doctest/doctest.h>

#include "tests/support/daemon.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::tests {
namespace {

// A database whose tables belong to a role of their own, and three migrations that made them.
struct Migrated : InstalledPostgres {
  Migrated() {
    run("create role migrator; grant migrator to rollbackd; create schema shop authorization"
        " migrator; alter role rollbackd set search_path = shop;"
        " create table shop.one (a int); create table shop.two (a int); create table shop.three (a"
        " int); alter table shop.one owner to migrator; alter table shop.two owner to migrator;"
        " alter table shop.three owner to migrator;"
        "insert into ops.migration_history (migration_name, migration_hash, rollback_script) values"
        " ('one', 'h', 'drop table one'), ('two', 'h', 'insert into two values (1); drop table"
        " two'), ('three', 'h', '/* ; */ drop table three;')");
  }

  void run(const std::string& sql) const { rows(conninfo(), sql); }
  std::string ask(const std::string& sql) const { return query(conninfo(), sql); }
  void set_script(const std::string& migration, const std::string& script) const {
    run("update ops.migration_history set rollback_script = $script$" + script +
        "$script$ where migration_name = '" + migration + "'");
  }
  // The tables that are left.
  std::string tables() const {
    return ask(
        "select string_agg(relname, ' ' order by oid) from pg_class"
        " where relnamespace = 'shop'::regnamespace and relkind = 'r'");
  }
  std::string recorded() const {
    return ask(
        "select string_agg(concat_ws(' ', migration_name, rolled_back_at is not null,"
        " rollback_successful, execution_time_ms >= 0, error_message), ', ' order by id)"
        " from ops.migration_history");
  }
  std::int64_t epoch() const { return std::stoll(ask("select epoch from ops.leader")); }
};

struct Reverter {
  explicit Reverter(const Migrated& database, const std::string& role = "migrator")
      : reverter{{database.conninfo("rollbackd"), {}},
                 [role](const rules::Service&) { return role; },
                 inbox,
                 log},
        epoch{database.epoch()} {}

  void start() {
    rules::RevertMigrations wanted;
    wanted.migrations = {"three", "two", "one"};
    reverter.revert(wanted, epoch);
  }
  rules::MigrationsReverted revert() {
    const std::size_t before = inbox.all<rules::MigrationsReverted>().size();
    start();
    eventually("the migrations to be reverted or not", 20,
               [&] { return inbox.all<rules::MigrationsReverted>().size() > before; });
    return inbox.all<rules::MigrationsReverted>().back();
  }

  RecordingInbox inbox;
  RecordingLog log;
  engine::MigrationReverter reverter;
  std::int64_t epoch;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("migrations are reverted in the order given, under their role, each with its record") {
  const Migrated f;
  f.set_script("three",
               "create table whose as select current_user::text as name; drop table three");
  Reverter reverter{f};
  const rules::MigrationsReverted done = reverter.revert();
  CHECK(done.failed == "");
  CHECK(done.error == "");
  CHECK(done.reverted == Names{"three", "two", "one"});
  CHECK(f.tables() == "whose");
  CHECK(f.ask("select name from shop.whose") == "migrator");
  CHECK(f.recorded() == "one t t t, two t t t, three t t t");
  CHECK(reverter.revert().reverted ==
        Names{"three", "two", "one"});  // again: nothing is left to do
}

TEST_CASE("a script that fails leaves nothing of itself, its error, and those after it untouched") {
  const Migrated f;
  f.set_script("two", "insert into two values (1); drop table nowhere; drop table two");
  Reverter reverter{f};
  const rules::MigrationsReverted done = reverter.revert();
  CHECK(done.failed == "two");
  CHECK(done.error.find("statement 2: ") == 0);
  CHECK(done.error.find("\"nowhere\" does not exist") != std::string::npos);
  CHECK(done.reverted == Names{"three"});
  CHECK(f.tables() == "one two");
  CHECK(f.ask("select count(*) from shop.two") == "0");
  CHECK(f.ask("select rollback_successful is false and rolled_back_at is null and error_message"
              " like '%nowhere%' from ops.migration_history where migration_name = 'two'") == "t");
  CHECK(f.ask("select rollback_successful is null from ops.migration_history"
              " where migration_name = 'one'") == "t");
  f.set_script("two", "drop table two");
  CHECK(reverter.revert().reverted == Names{"three", "two", "one"});
  CHECK(f.recorded() == "one t t t, two t t t, three t t t");
}

TEST_CASE("what fails only at the end of the transaction is the script's failure, too") {
  const Migrated f;
  f.run(
      "create table shop.parent (id int primary key);"
      "create table shop.child (id int references shop.parent deferrable initially deferred);"
      "alter table shop.parent owner to migrator; alter table shop.child owner to migrator");
  f.set_script("three", "insert into child values (1)");
  CHECK(Reverter{f}.revert().error.find("violates foreign key constraint") != std::string::npos);
  CHECK(f.ask("select rollback_successful from ops.migration_history"
              " where migration_name = 'three'") == "f");
}

TEST_CASE("a crash between two scripts: the rest is reverted when asked for again") {
  const Migrated f;
  const auto blocking = connect(f.conninfo());
  {
    pqxx::work locking{*blocking};
    locking.exec("lock table shop.two in access exclusive mode");
    Reverter crashing{f};
    crashing.start();
    eventually("the second script to wait", 20, [&] {
      return f.ask(
                 "select count(*) from pg_stat_activity where application_name ="
                 " 'rollbackd migrations' and wait_event_type = 'Lock'") == "1";
    });
    crashing.reverter.stop();
  }
  CHECK(f.tables() == "one two");
  CHECK(f.recorded() == "one f, two f, three t t t");
  CHECK(Reverter{f}.revert().reverted == Names{"three", "two", "one"});
  CHECK(f.tables() == "");
}

TEST_CASE("a connection that is lost in the middle of a script: it goes on by itself") {
  const Migrated f;
  const auto blocking = connect(f.conninfo());
  Reverter reverter{f};
  {
    pqxx::work locking{*blocking};
    locking.exec("lock table shop.two in access exclusive mode");
    reverter.start();
    eventually("the second script to wait and be ended", 20, [&] {
      return f.ask(
                 "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                 " where application_name = 'rollbackd migrations'"
                 " and wait_event_type = 'Lock'") == "1";
    });
  }
  eventually("the end", 20,
             [&] { return !reverter.inbox.all<rules::MigrationsReverted>().empty(); });
  CHECK(reverter.inbox.all<rules::MigrationsReverted>()[0].reverted ==
        Names{"three", "two", "one"});
  CHECK(f.tables() == "");
}

TEST_CASE("a script waits for a lock no longer than its limit, for others wait behind it") {
  const Migrated f;
  const auto blocking = connect(f.conninfo());
  pqxx::work locking{*blocking};
  locking.exec("lock table shop.three in access exclusive mode");
  const rules::MigrationsReverted done = Reverter{f}.revert();
  CHECK(done.failed == "three");
  CHECK(done.error.find("lock timeout") != std::string::npos);
}

TEST_CASE("without a role that is configured, exists and may be acted as, no script is run") {
  const Migrated f;
  f.run("create role strange");
  for (const auto& [role, why] :
       {std::pair{"", "rollback.migration_role is not set"},
        {"nobody", "there is no role nobody"},
        {"strange", "may not act as strange: grant strange to rollbackd"}}) {
    CAPTURE(role);
    const rules::MigrationsReverted done = Reverter{f, role}.revert();
    CHECK(done.failed == "three");
    CHECK(done.error.find(why) != std::string::npos);
    CHECK(done.reverted.empty());
  }
  CHECK(f.tables() == "one two three");
  CHECK(f.recorded() == "one f, two f, three f");
}

TEST_CASE("a role without the right fails as a script does") {
  const Migrated f;
  f.run("create role weak; grant weak to rollbackd; grant usage on schema shop to weak");
  const rules::MigrationsReverted done = Reverter{f, "weak"}.revert();
  CHECK(done.error.find("must be owner of table three") != std::string::npos);
  CHECK(f.ask("select rollback_successful from ops.migration_history"
              " where migration_name = 'three'") == "f");
}

TEST_CASE("a script that would end the transaction, is missing, or is gone, is refused by name") {
  const Migrated f;
  Reverter reverter{f};
  f.set_script("three", "drop table three; commit; drop table two");
  rules::MigrationsReverted done = reverter.revert();
  CHECK(done.failed == "three");
  CHECK(done.error.find("has COMMIT as statement 2") != std::string::npos);
  f.set_script("three", " -- nothing\n");
  CHECK(reverter.revert().error.find("has no rollback_script") != std::string::npos);
  CHECK(f.tables() == "one two three");
  CHECK(f.recorded() == "one f, two f, three f");
  f.run("delete from ops.migration_history where migration_name = 'three'");
  CHECK(reverter.revert().error.find("no such migration") != std::string::npos);
}

TEST_CASE("nothing is reverted, recorded or told under an epoch that is over") {
  const Migrated f;
  Reverter reverter{f};
  f.set_script("three", "drop table three; select pg_sleep(0.5)");
  const auto blocking = connect(f.conninfo());
  {
    pqxx::work locking{*blocking};
    locking.exec("lock table shop.three in access exclusive mode");
    reverter.start();
    eventually("the script to wait", 20, [&] {
      return f.ask(
                 "select count(*) from pg_stat_activity where application_name ="
                 " 'rollbackd migrations' and wait_event_type = 'Lock'") == "1";
    });
    f.run("update ops.leader set epoch = epoch + 1");
  }
  eventually("the loss to be noticed", 20,
             [&] { return reverter.log.has(engine::LogLevel::error, "epoch_lost"); });
  reverter.start();
  eventually("the loss to be noticed at once", 20, [&] {
    const std::string log = reverter.log.text();
    return log.find("epoch_lost") != log.rfind("epoch_lost");
  });
  CHECK(f.tables() == "one two three");
  CHECK(f.recorded() == "one f, two f, three f");
  CHECK(reverter.inbox.all<rules::MigrationsReverted>().empty());
}

}  // namespace rollbackd::tests
