// Who disturbs the doorbell and cannot be kept from it.

#include <csignal>
#include <future>

#include <doctest/doctest.h>

#include "engine/database/doorbell_names.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

const std::string take_k =
    "select pg_advisory_lock(" + std::to_string(rollbackd::engine::doorbell_key) + ")";

}  // namespace

TEST_CASE(
    "a stranger who holds K is named by role, pid and address, once, without being less ready, "
    "and no count changes") {
  Stage stage{"", {{}, true}};
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  CHECK(stage.metric("rollbackd_doorbell_strangers") == "0");
  query(stage.postgres().conninfo(), "create role intruder login");
  {
    // An application name proves nothing. They wait behind our own session, and get K when it dies.
    const auto stranger = connect(stage.postgres().tcp_conninfo("intruder") +
                                  " application_name='rollbackd doorbell'");
    const std::string pid = std::to_string(stranger->backendpid());
    pqxx::nontransaction waiting{*stranger};
    waiting.exec("set lock_timeout = '60s'");
    auto taking = std::async(std::launch::async, [&] { waiting.exec(take_k); });
    eventually("the stranger to wait behind it", 30, [&] {
      return query(stage.postgres().conninfo(),
                   "select count(*) from pg_locks where locktype = 'advisory' and not granted"
                   " and pid = " +
                       pid) == "1";
    });
    query(stage.postgres().conninfo(),
          "select pg_terminate_backend(pid) from pg_stat_activity"
          " where application_name = 'rollbackd doorbell' and usename = 'rollbackd'");
    taking.get();
    stage.daemon().wait_for_log({"event=doorbell_stranger", pid, "intruder", "127.0.0.1"});
    stage.wait_for_readiness(200, "pid " + pid + " (role intruder, from 127.0.0.1");
    stage.wait_for_metric("rollbackd_doorbell_strangers", "1");
    stage.log_errors(4);
    CHECK(stage.disagreement(bad) == "");
    stage.wait_for_readiness(200, "pid " + pid);
    CHECK(stage.daemon().count_in_log("event=doorbell_stranger ") == 1);
  }
  stage.daemon().wait_for_log({"event=doorbell_strangers_gone"});
  stage.wait_for_readiness(200, "\"warnings\":[]");
  stage.wait_for_metric("rollbackd_doorbell_strangers", "0");
  stage.log_errors(3);
  CHECK(stage.wait_for_end(bad) == "success");
}

TEST_CASE("a person with the daemon's own role who holds K is a stranger, too") {
  Stage stage;
  const auto person = connect(stage.postgres().conninfo("rollbackd"));
  pqxx::nontransaction work{*person};
  stage.daemon().signal(SIGSTOP);
  work.exec(take_k);
  stage.daemon().signal(SIGCONT);
  stage.wait_for_readiness(
      200, "pid " + std::to_string(person->backendpid()) + " (role rollbackd, from a local socket");
}

TEST_CASE("who keeps the queue of NOTIFY from being emptied is named, while and as long as it is") {
  Stage stage;
  const auto culprit = connect(stage.postgres().conninfo());
  const std::string pid = std::to_string(culprit->backendpid());
  {
    pqxx::nontransaction work{*culprit};
    work.exec("listen noise");
    work.exec("begin");
    work.exec("select 1");
    // 5 % of 8 GB.
    for (int i = 0; i < 6; ++i) {
      rows(stage.postgres().conninfo(),
           "select pg_notify('noise', repeat('x', 7900) || n) from generate_series(1, 10000) n");
    }
    stage.daemon().wait_for_log({"event=notify_queue_held_up", pid});
    stage.wait_for_readiness(200, "pid " + pid);
    work.exec("rollback");
  }
  stage.daemon().wait_for_log({"event=notify_queue_empties"});
  stage.wait_for_readiness(200, "\"warnings\":[]");
}
