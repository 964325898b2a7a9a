// One leader, and what an earlier one can still do: nothing.

#include "engine/store/leadership.hpp"

#include <csignal>

#include <doctest/doctest.h>

#include "engine/board.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/recorders.hpp"
#include "tests/support/stage.hpp"

namespace rollbackd::tests {
namespace {

// One that wants to lead.
struct Candidate {
  explicit Candidate(const Postgres& postgres)
      : leadership{reactor,
                   {postgres.conninfo("rollbackd"), {}},
                   {[this](std::int64_t epoch) { epochs.push_back(epoch); }, [this] { ++lost; }},
                   log,
                   meter,
                   board} {
    leadership.start();
  }
  ~Candidate() { leadership.stop(); }
  bool leads() {
    return run_until(reactor, [&] { return leadership.is_leading(); });
  }
  bool waits() {
    return run_until(reactor, [&] { return leadership.is_standby(); });
  }

  engine::asio::io_context reactor;
  RecordingLog log;
  RecordingMeter meter;
  engine::StatusBoard board;
  std::vector<std::int64_t> epochs;
  int lost = 0;
  engine::Leadership leadership;
};

std::string end_of_leaders(const Postgres& postgres) {
  return query(postgres.conninfo(),
               "select count(pg_terminate_backend(pid)) from pg_stat_activity"
               " where application_name = 'rollbackd leader'");
}

}  // namespace

TEST_CASE("each new leader has a higher epoch, committed with its name before it is told") {
  const InstalledPostgres postgres;
  const auto ask = [&](const std::string& sql) { return query(postgres.conninfo(), sql); };
  const std::int64_t before = std::stoll(ask("select epoch from ops.leader"));
  Candidate first{postgres};
  REQUIRE(first.leads());
  CHECK(first.epochs == std::vector{before + 1});
  CHECK(ask("select epoch from ops.leader") == std::to_string(before + 1));
  CHECK(ask("select holder like '%:" + std::to_string(::getpid()) +
            "/rollbackd' and since is not null from ops.leader") == "t");
  CHECK(ask("select metadata->>'epoch' from ops.roman_events where event_type = 'leadership'") ==
        std::to_string(before + 1));

  Candidate second{postgres};
  REQUIRE(second.waits());
  CHECK(ask("select epoch from ops.leader") == std::to_string(before + 1));
  CHECK(end_of_leaders(postgres) != "0");
  REQUIRE(second.leads());
  CHECK(second.epochs.back() > before + 1);
}

TEST_CASE("who cannot raise the epoch does not lead, and says why") {
  const InstalledPostgres postgres;
  rows(postgres.conninfo(), "revoke update on ops.leader from rollbackd");
  Candidate candidate{postgres};
  CHECK(run_until(candidate.reactor, [&] {
    return candidate.board.problem_of(engine::Part::leadership).find("epoch") != std::string::npos;
  }));
  CHECK(candidate.epochs.empty());
  rows(postgres.conninfo(), "grant update on ops.leader to rollbackd");
  CHECK(candidate.leads());
}

TEST_CASE("the lead is given up and had again under another epoch") {
  const InstalledPostgres postgres;
  Candidate candidate{postgres};
  REQUIRE(candidate.leads());
  candidate.leadership.give_up("a test");
  CHECK_FALSE(candidate.leadership.is_leading());
  CHECK(candidate.lost == 1);
  REQUIRE(candidate.leads());
  CHECK(candidate.epochs.at(1) == candidate.epochs.at(0) + 1);
}

TEST_CASE("a leader that is stopped loses the lead here before the server gives it to another") {
  const InstalledPostgres postgres;
  Candidate stopped{postgres};
  REQUIRE(stopped.leads());
  Candidate other{postgres};
  REQUIRE(other.waits());
  // The first one's reactor does not run meanwhile, so nothing of it beats.
  REQUIRE(other.leads());
  CHECK(other.epochs.at(0) == stopped.epochs.at(0) + 1);
  CHECK(stopped.leadership.is_leading());
  stopped.leadership.end_if_stuck(engine::steady_now());
  CHECK_FALSE(stopped.leadership.is_leading());
  CHECK(stopped.waits());
}

TEST_CASE("an epoch that somebody changed: nothing is written under it, the daemon leads anew") {
  Stage stage;
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  stage.daemon().wait_for_log({"event=leading"});
  stage.ask("update ops.leader set epoch = epoch + 100");
  stage.log_errors(6);
  CHECK(stage.wait_for_end(bad) == "success");
  CHECK(stage.daemon().count_in_log("event=epoch_lost") == 1);
  CHECK(stage.daemon().count_in_log("event=leading") == 2);
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "1");
  CHECK(stage.program_runs() == 1);
}

TEST_CASE("a leader that is stopped in the middle of a rollback does nothing when it wakes up") {
  for (const char* step : {"mark_rolled_back", "verify_health"}) {
    CAPTURE(step);
    Stage stage{"", {}, {{"confirm: 1s", "confirm: 3s"}, {"window: 2s", "window: 3s"}}};
    stage.deployed_long_ago("v1");
    const std::string bad = stage.deploy("v2");
    stage.wait_until_watched(bad);
    const Daemon second{stage.configuration()};
    second.wait_for_log({"event=waiting_to_lead"});
    stage.log_errors(6);
    stage.wait_for_step(step, std::string{step} == "verify_health" ? "in_progress" : "success");
    stage.daemon().signal(SIGSTOP);
    second.wait_for_log({"event=leading"}, 30);
    stage.daemon().signal(SIGCONT);
    stage.daemon().wait_for_log({"event=leadership_lost"});
    CHECK(stage.wait_for_end(bad) == "success");
    CHECK(stage.ask("select count(*) from ops.rollback_events") == "1");
    CHECK(stage.program_runs() == 1);
    stage.daemon().wait_for_log({"event=waiting_to_lead"});
  }
}

}  // namespace rollbackd::tests
