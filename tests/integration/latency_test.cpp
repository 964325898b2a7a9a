// From the commit of the error that crosses the threshold to the commit of the decision, beside a
// bare libpq program that does no more than it has to: wait, run the difference, commit one row.

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <poll.h>
#include <thread>

#include <doctest/doctest.h>
#include <libpq-fe.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

// The aim of the whole product is milliseconds; a shared machine under sanitizers gets more.
constexpr double median_max_ms = 50;

struct Spread {
  double median = 0;
  double p99 = 0;
};

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values[std::min(values.size() - 1, values.size() * 99 / 100)]};
}

int services_wanted() {
  const char* wanted = std::getenv("LATENCY_SERVICES");  // NOLINT(concurrency-mt-unsafe)
  return wanted == nullptr ? 12 : std::atoi(wanted);
}

// Waits for bells on the channel `bare` and answers each with one committed row.
class BareProgram {
 public:
  explicit BareProgram(const std::string& conninfo)
      : connection_{PQconnectdb(conninfo.c_str())}, thread_{[this] { work(); }} {}
  ~BareProgram() {
    stopping_ = true;
    thread_.join();
    PQfinish(connection_);
  }
  BareProgram(const BareProgram&) = delete;
  BareProgram& operator=(const BareProgram&) = delete;

 private:
  std::string one(const char* sql, const char* parameter) {
    const char* const values[] = {parameter};
    PGresult* result = PQexecParams(connection_, sql, parameter == nullptr ? 0 : 1, nullptr, values,
                                    nullptr, nullptr, 0);
    std::string value = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    return value;
  }

  void work() {
    one("listen bare", nullptr);
    std::string snapshot = one("select pg_current_snapshot()", nullptr);
    while (!stopping_) {
      pollfd socket{PQsocket(connection_), POLLIN, 0};
      ::poll(&socket, 1, 20);
      PQconsumeInput(connection_);
      bool rang = false;
      while (PGnotify* note = PQnotifies(connection_)) {
        rang = true;
        PQfreemem(note);
      }
      if (!rang) {
        continue;
      }
      snapshot = one(
          "with s as materialized (select pg_current_snapshot() as snap) "
          "select snap from s, (select count(*) from ("
          " select from bare_log where xid >= pg_snapshot_xmax($1::pg_snapshot) union all"
          " select from bare_log where xid = any (array(select pg_snapshot_xip($1::pg_snapshot)))"
          ") e) c",
          snapshot.c_str());
      one("insert into bare_decisions default values", nullptr);
    }
  }

  PGconn* connection_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

double milliseconds_between(Stage& stage, const std::string& error_xid,
                            const std::string& decision) {
  return std::stod(
      stage.ask("select extract(epoch from pg_xact_commit_timestamp(d.xmin)"
                " - pg_xact_commit_timestamp('" +
                error_xid +
                "'::text::xid)) * 1000"
                " from " +
                decision));
}

std::string commit_error(Stage& stage, const std::string& sql) {
  return stage.ask(sql + " returning pg_current_xact_id()");
}

double time_daemon(Stage& stage, int number) {
  const std::string service = "s" + std::to_string(number);
  stage.log_errors(5, service);
  const std::string xid =
      commit_error(stage,
                   "insert into ops.system_logs (severity, source, message, service)"
                   " values ('error', 'test', 'the sixth', '" +
                       service + "')");
  const std::string decision =
      "ops.roman_events d where d.event_type = 'rollback_initiated'"
      " and d.metadata->>'service' = '" +
      service + "'";
  eventually("the decision", 10,
             [&] { return stage.ask("select count(*) from " + decision) == "1"; });
  return milliseconds_between(stage, xid, decision);
}

double time_bare(Stage& stage, int number) {
  const std::string xid = commit_error(stage, "insert into bare_log (message) values ('x')");
  const std::string decision = "bare_decisions d where d.id = " + std::to_string(number);
  eventually("the bare program", 10,
             [&] { return stage.ask("select count(*) from " + decision) == "1"; });
  return milliseconds_between(stage, xid, decision);
}

}  // namespace

TEST_CASE("the decision is committed within milliseconds of the sixth error") {
  Stage stage;
  const int services = services_wanted();
  rows(stage.connection(),
       "create table bare_log (message text, xid xid8 default pg_current_xact_id());"
       "create index on bare_log (xid);"
       "create table bare_decisions (id bigserial primary key);"
       "create function bare_ring() returns trigger language plpgsql as"
       " $$ begin perform pg_notify('bare', ''); return null; end $$;"
       "create trigger ring after insert on bare_log for each row execute function bare_ring()");
  for (int i = 1; i <= services; ++i) {
    stage.deployed_long_ago("v1", "s" + std::to_string(i));
    stage.wait_until_watched(stage.deploy("v2", "success", "s" + std::to_string(i)));
  }
  const BareProgram bare{stage.postgres().conninfo()};
  eventually("the bare program to listen", 10, [&] {
    return stage.ask(
               "select count(*) from pg_stat_activity where query like 'select "
               "pg_current_snap%'") != "0";
  });
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int i = 1; i <= services; ++i) {
    theirs.push_back(time_bare(stage, i));
    ours.push_back(time_daemon(stage, i));
  }
  const Spread us = spread_of(ours);
  const Spread them = spread_of(theirs);
  MESSAGE("sixth error to decision over "
          << services << " services: median " << us.median << " ms, 99th percentile " << us.p99
          << " ms; bare libpq: " << them.median << " ms, " << them.p99 << " ms; ratio of medians "
          << us.median / them.median);
  CHECK(us.median < median_max_ms);
}
