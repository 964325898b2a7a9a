// From the commit of the error that crosses the threshold to the commit of the decision, at rest,
// beside a bare libpq program that does no more than it has to: wait, run the difference, commit
// one row. Both have prepared their statements, and both were idle before.

#include <atomic>
#include <cstdlib>
#include <memory>
#include <poll.h>
#include <thread>

#include <doctest/doctest.h>
#include <libpq-fe.h>

#include "tests/support/quantile.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

// What the product promises; checked with LATENCY_CLAIM=1, on a machine that has nothing else to
// do.
constexpr double claimed_median_ms = 2;
constexpr double claimed_ratio = 2.5;
// Everywhere else: where ten threads fight for a core, a ratio of 17 was seen, and sanitizers get
// more. A decision that waits for the deaf feed's poll of 50 ms stands at 80 and more.
constexpr double median_max_ms = 50;
constexpr double ratio_max = 40;

int services_wanted() {
  const char* wanted = std::getenv("LATENCY_SERVICES");  // NOLINT(concurrency-mt-unsafe)
  return wanted == nullptr ? 12 : std::atoi(wanted);
}

bool is_claim_checked() {
  return std::getenv("LATENCY_CLAIM") != nullptr;  // NOLINT(concurrency-mt-unsafe)
}

// Waits for bells on the channel `bare` and answers each with one committed row: how many rows it
// has counted so far.
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
  using Answer = std::unique_ptr<PGresult, decltype(&PQclear)>;

  Answer run(const char* sql) { return {PQexec(connection_, sql), &PQclear}; }
  Answer run(const char* prepared, const std::string& parameter) {
    const char* const values[] = {parameter.c_str()};
    return {PQexecPrepared(connection_, prepared, 1, values, nullptr, nullptr, 0), &PQclear};
  }

  bool wait_for_bell() {
    pollfd socket{PQsocket(connection_), POLLIN, 0};
    ::poll(&socket, 1, 100);
    PQconsumeInput(connection_);
    bool rang = false;
    while (PGnotify* note = PQnotifies(connection_)) {
      rang = true;
      PQfreemem(note);
    }
    return rang;
  }

  void work() {
    run("set plan_cache_mode = force_generic_plan");
    run("prepare difference as"
        " with s as materialized (select pg_current_snapshot() as snap)"
        " select snap, seen from s, (select count(*) as seen from ("
        " select from bare_log where xid >= pg_snapshot_xmax($1::pg_snapshot) union all"
        " select from bare_log where xid = any (array(select pg_snapshot_xip($1::pg_snapshot)))"
        ") e) c");
    run("prepare decide as insert into bare_decisions (seen) values ($1)");
    std::string snapshot = PQgetvalue(run("select pg_current_snapshot()").get(), 0, 0);
    run("listen bare");
    long seen = 0;
    while (!stopping_) {
      if (wait_for_bell()) {
        const Answer difference = run("difference", snapshot);
        snapshot = PQgetvalue(difference.get(), 0, 0);
        seen += std::stol(PQgetvalue(difference.get(), 0, 1));
        run("decide", std::to_string(seen));
      }
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

// `bad` is the deployment of the service with this number, counted from 1.
double time_daemon(Stage& stage, int number, const std::string& bad) {
  const std::string service = "s" + std::to_string(number);
  stage.log_errors(5, service);
  eventually("the errors in memory", 60, [&] {
    return stage.check(bad).body.find("\"recent_errors\":5") != std::string::npos;
  });
  const std::string xid =
      commit_error(stage,
                   "insert into ops.system_logs (severity, source, message, service)"
                   " values ('error', 'test', 'the sixth', '" +
                       service + "')");
  const std::string decision =
      "ops.roman_events d where d.event_type = 'rollback_initiated'"
      " and d.metadata->>'service' = '" +
      service + "'";
  // All that follows at once on a decision, so that the next one comes at rest again.
  eventually("the decision and the steps up to the dispatch", 60, [&] {
    return stage.ask("select count(*) from ops.deployments where rollback_from is not null") ==
           std::to_string(number);
  });
  return milliseconds_between(stage, xid, decision);
}

double time_bare(Stage& stage, int number) {
  const std::string xid = commit_error(stage, "insert into bare_log (message) values ('x')");
  const std::string decision = "bare_decisions d where d.seen = " + std::to_string(number);
  eventually("the bare program", 60,
             [&] { return stage.ask("select count(*) from " + decision) == "1"; });
  return milliseconds_between(stage, xid, decision);
}

}  // namespace

TEST_CASE("the decision is committed within milliseconds of the sixth error") {
  // Nothing is dispatched meanwhile.
  Stage stage{"", {}, {{"confirm: 1s", "confirm: 5m\n  max_per_hour: 1000"}}};
  const int services = services_wanted();
  rows(stage.connection(),
       "create table bare_log (message text, xid xid8 default pg_current_xact_id());"
       "create index on bare_log (xid);"
       "create table bare_decisions (seen bigint primary key);"
       "create function bare_ring() returns trigger language plpgsql as"
       " $$ begin perform pg_notify('bare', ''); return null; end $$;"
       "create trigger ring after insert on bare_log for each row execute function bare_ring()");
  std::vector<std::string> bad;
  for (int i = 1; i <= services; ++i) {
    stage.deployed_long_ago("v1", "s" + std::to_string(i));
    // So that never half of the environment is bad, which would hold the rest.
    stage.deployed_long_ago("v1", "quiet" + std::to_string(i));
    bad.push_back(stage.deploy("v2", "success", "s" + std::to_string(i)));
    stage.wait_until_watched(bad.back());
  }
  const BareProgram bare{stage.postgres().conninfo()};
  eventually("the bare program to listen", 60, [&] {
    return stage.ask(
               "select count(*) from pg_stat_activity where query = 'listen bare'"
               " and state = 'idle'") != "0";
  });
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int i = 1; i <= services; ++i) {
    theirs.push_back(time_bare(stage, i));
    ours.push_back(time_daemon(stage, i, bad.at(static_cast<std::size_t>(i) - 1)));
  }
  const double median = quantile(ours, 0.5);
  const double bare_median = quantile(theirs, 0.5);
  const double ratio = median / bare_median;
  MESSAGE("sixth error to decision over "
          << services << " services: median " << median << " ms (claimed " << claimed_median_ms
          << "), 99th percentile " << quantile(ours, 0.99) << " ms; bare libpq: " << bare_median
          << " ms, " << quantile(theirs, 0.99) << " ms; ratio of medians " << ratio << " (claimed "
          << claimed_ratio << ")");
  CHECK(median < median_max_ms);
  CHECK(ratio < ratio_max);
  if (is_claim_checked()) {
    CHECK(median <= claimed_median_ms);
    CHECK(ratio <= claimed_ratio);
  }
}
