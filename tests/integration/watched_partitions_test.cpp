#include <string>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "tests/support/daemon.hpp"
#include "tests/support/watched_log.hpp"

// Rows that come another way than by INSERT into the table itself: into partitions, and by logical
// replication.

namespace rollbackd::tests {
namespace {

const std::string stamped =
    "select count(*) from app.log where severity = 'error' and xid::text::bigint ="
    " xmin::text::bigint";

}  // namespace

TEST_CASE("partitions ring and are found, also later ones, attached ones, and written directly") {
  InstalledPostgres postgres;
  const auto connection = connect(postgres.conninfo());
  rows(*connection, R"(
    create schema app; create schema parts;
    create table app.log (id bigserial, timestamp timestamptz not null default now(),
                          severity varchar(9), message text) partition by range (timestamp);
    create table parts.a partition of app.log for values from (minvalue) to ('2020-01-01')
      partition by list (severity);
    create table parts.errors partition of parts.a for values in ('error');
    create table parts.rest partition of parts.a default;)");
  const auto left = watch(*connection, "'app.log'");
  CHECK(left.size() == 14);
  CHECK(watch_wholly(*connection, "'app.log'").empty());
  // One that is attached comes without our default, as a table that was filled beforehand does.
  rows(*connection, R"(
    create table parts.later partition of app.log for values from ('2020-01-01') to ('2021-01-01');
    create table parts.attached (id bigint not null default 1, timestamp timestamptz not null,
                                 severity varchar(9), message text, xid xid8);
    alter table app.log attach partition parts.attached
      for values from ('2021-01-01') to (maxvalue))");
  CHECK(watch(*connection, "'app.log'").empty());
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");

  Listener listener{postgres.conninfo()};
  const HeldKey key{postgres.conninfo()};
  int written = 0;
  const auto check_insert = [&](const std::string& table, const std::string& moment) {
    for (const char* as : {"origin", "replica"}) {
      rows(postgres.conninfo(), std::string{"set session_replication_role = "} + as +
                                    "; insert into " + table + " (timestamp, severity) values ('" +
                                    moment + "', 'error')");
      CHECK_MESSAGE(listener.rings() == 1, table, " as ", as);
      CHECK_MESSAGE(query(*connection, stamped) == std::to_string(++written), table, " as ", as);
    }
  };
  check_insert("app.log", "2019-01-01");
  check_insert("parts.a", "2019-01-01");
  check_insert("parts.errors", "2019-01-01");
  check_insert("parts.later", "2020-05-01");
  check_insert("app.log", "2022-05-01");
  check_insert("parts.attached", "2022-05-01");
  CHECK(of_events(*connection, "select count(*) from events where log = 'app.log'::regclass") ==
        std::to_string(written));

  rows(*connection, "alter table parts.later disable trigger rollbackd_ring");
  CHECK(missing_in(postgres.conninfo("rollbackd"))
            .find("the trigger rollbackd_ring on parts.later (it is disabled") !=
        std::string::npos);
  install_into(postgres.conninfo());
  CHECK(missing_in(postgres.conninfo("rollbackd")) == "");

  rows(*connection, "select ops.unwatch_error_log('app.log')");
  CHECK(query(*connection,
              "select count(*) from pg_trigger t join pg_class c on c.oid = t.tgrelid"
              " where c.relnamespace = 'parts'::regnamespace") == "0");
}

TEST_CASE("rows that logical replication brings ring, and carry this server's transaction") {
  const Postgres publisher{{{{"wal_level", "logical"}}}};
  InstalledPostgres postgres;
  // The publisher has an xid column, too, far ahead of this server's numbers.
  for (const auto& conninfo : {publisher.conninfo(), postgres.conninfo()}) {
    rows(conninfo,
         "create schema app; create table app.log (id bigserial primary key,"
         " timestamp timestamptz not null default now(), severity text, message text,"
         " xid xid8); create table app.plain (id bigserial primary key,"
         " timestamp timestamptz not null default now(), severity text, message text)");
  }
  rows(publisher.conninfo(),
       "insert into app.log (severity, xid) values ('error', '900000');"
       "create publication p for table app.log, app.plain");
  const auto connection = connect(postgres.conninfo());
  CHECK(watch_wholly(*connection, "'app.log'").empty());
  CHECK(watch_wholly(*connection, "'app.plain'").empty());
  Listener listener{postgres.conninfo()};
  const HeldKey key{postgres.conninfo()};
  query(publisher.conninfo(), "select pg_create_logical_replication_slot('s', 'pgoutput')");
  rows(*connection, "create subscription s connection '" + publisher.conninfo() +
                        "' publication p with (create_slot = false, slot_name = 's')");
  eventually("the first copy", 30, [&] { return query(*connection, stamped) == "1"; });
  eventually("the bell of the first copy", 30, [&] { return listener.rings() > 0; });
  eventually("the subscription to be caught up", 30, [&] {
    return query(*connection, "select bool_and(srsubstate = 'r') from pg_subscription_rel") == "t";
  });
  listener.rings();

  rows(publisher.conninfo(), "insert into app.log (severity, xid) values ('error', '900001')");
  rows(publisher.conninfo(), "insert into app.plain (severity) values ('error')");
  eventually("the streamed rows", 30, [&] {
    return query(*connection, stamped) == "2" &&
           query(*connection, "select count(*) from app.plain where xid::text = xmin::text") == "1";
  });
  int rung = 0;
  eventually("their bells", 30, [&] { return (rung += listener.rings()) == 2; });
  rows(*connection, "alter subscription s disable");
}

}  // namespace rollbackd::tests
