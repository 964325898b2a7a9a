// Step 3: a person's rollback that asks for its migrations to be reverted.

#include <string>

#include <doctest/doctest.h>

#include "rules/execution.hpp"
#include "tests/support/rollback_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deploy;
using rules::Reason;
using rules::RevertMigrations;
using rules::Rollback;
using rules::RollbackStatus;
using rules::StepName;
using Names = std::vector<std::string>;

rules::Migration migration(const std::string& name) {
  return {name, numbered_id(2), at(-600), true, true, false};
}

rules::Policy with_role() {
  rules::Policy policy = policy_of_executor("github");
  policy.may_revert_migrations = true;
  return policy;
}

// One that has asked for two migrations to be reverted.
RollbackBench reverting() {
  RollbackBench bench{with_role()};
  bench.control.migrations = {migration("first"), migration("second")};
  bench.decide(true, true);
  bench.take_snapshot();
  return bench;
}

void restart(RollbackBench& bench) {
  rules::JournalRead journal;
  journal.active = {bench.row_now()};
  bench.take(rules::LeadershipLost{});
  bench.forget();
  bench.take(journal);
}

}  // namespace

TEST_CASE("revert: it is journaled before it starts, and nothing is marked yet") {
  RollbackBench bench{with_role()};
  bench.control.migrations = {migration("first"), migration("second")};
  bench.decide(true, true);
  bench.step(rules::SnapshotTaken{numbered_id(2), rules::SnapshotType::pre_rollback, "an id", {}});
  REQUIRE(bench.on_their_way.size() == 1);
  CHECK(bench.started<RevertMigrations>().empty());
  bench.confirm_all();
  CHECK(steps_text(bench.row_now()) == "ssippppp");
  CHECK(bench.row_now().step(StepName::revert_migrations).metadata ==
        rules::Fields{{"migrations", std::string{"second, first"}}});
  REQUIRE(bench.started<RevertMigrations>().size() == 1);
  CHECK(bench.started<RevertMigrations>()[0].migrations == Names{"second", "first"});
  CHECK(bench.started<RevertMigrations>()[0].deployment == numbered_id(2));
  CHECK(bench.written<rules::MarkRolledBack>().empty());
}

TEST_CASE("revert: when they are reverted it goes on with the mark and the dispatch") {
  RollbackBench bench = reverting();
  bench.control.migrations.clear();
  bench.take(rules::MigrationsReverted{bench.event, {"second", "first"}, "", ""});
  bench.feed_back_rows();
  CHECK(bench.written<rules::MarkRolledBack>().size() == 1);
  CHECK(bench.row_now().step(StepName::revert_migrations).status == rules::StepStatus::success);
  CHECK(bench.started<Deploy>().size() == 1);
}

TEST_CASE("revert: without any since the target there is nothing to do") {
  RollbackBench bench{with_role()};
  bench.decide(true, true);
  bench.take_snapshot();
  CHECK(bench.started<RevertMigrations>().empty());
  CHECK(bench.row_now().step(StepName::revert_migrations).status == rules::StepStatus::success);
  CHECK(bench.started<Deploy>().size() == 1);
}

TEST_CASE("revert: who does not ask for it has the step skipped") {
  RollbackBench bench{with_role()};
  bench.decide(true, false);
  bench.take_snapshot();
  CHECK(bench.row_now().step(StepName::revert_migrations).status == rules::StepStatus::skipped);
}

TEST_CASE("revert: a script that fails ends it where a person can read what to do") {
  RollbackBench bench = reverting();
  bench.take(rules::MigrationsReverted{bench.event, {"second"}, "first", "syntax error"});
  const Rollback r = bench.row_now();
  CHECK(r.status == RollbackStatus::failed);
  CHECK(r.ended_by == Reason::migration_failed);
  CHECK(steps_text(r) == "ssfkkkks");
  const std::string error = r.step(StepName::revert_migrations).error;
  CHECK(error.find("migration first could not be reverted: syntax error") == 0);
  CHECK(error.find("reverted before it: second") != std::string::npos);
  CHECK(error.find("ops.migration_history") != std::string::npos);
  CHECK(bench.written<rules::MarkRolledBack>().empty());
  CHECK(bench.written<rules::RestoreDeployment>().empty());
  CHECK(bench.started<Deploy>().empty());
  CHECK(bench.is_latched());
  CHECK(bench.told("rollback_failed") == 1);
}

TEST_CASE("revert: a crash in it asks again for what is not reverted yet") {
  RollbackBench bench = reverting();
  bench.control.migrations = {migration("first")};
  restart(bench);
  CHECK(bench.started<rules::TakeSnapshot>().empty());
  REQUIRE(bench.started<RevertMigrations>().size() == 1);
  CHECK(bench.started<RevertMigrations>()[0].migrations == Names{"first"});
  bench.control.migrations.clear();
  bench.take(rules::MigrationsReverted{bench.event, {"first"}, "", ""});
  bench.feed_back_rows();
  CHECK(bench.row_now().step(StepName::revert_migrations).metadata ==
        rules::Fields{{"migrations", std::string{"second, first"}}});
  CHECK(bench.started<Deploy>().size() == 1);
}

TEST_CASE("revert: a crash after the last of them goes on with the mark") {
  RollbackBench bench = reverting();
  bench.control.migrations.clear();
  restart(bench);
  bench.feed_back_rows();
  CHECK(bench.started<RevertMigrations>().empty());
  CHECK(bench.written<rules::MarkRolledBack>().size() == 1);
  CHECK(bench.started<Deploy>().size() == 1);
}

TEST_CASE("revert: a pause stops it before, and after a crash in it") {
  RollbackBench before{with_role()};
  before.control.migrations = {migration("first")};
  before.control.pause.on = true;
  before.decide(true, true);
  before.take_snapshot();
  CHECK(before.started<RevertMigrations>().empty());
  CHECK(before.row_now().ended_by == Reason::paused);
  RollbackBench after = reverting();
  after.control.pause.on = true;
  restart(after);
  CHECK(after.started<RevertMigrations>().empty());
  CHECK(after.row_now().ended_by == Reason::paused);
  CHECK(after.row_now().step(StepName::revert_migrations).status == rules::StepStatus::failed);
}

TEST_CASE("revert: who stops it meanwhile is written down before it is answered") {
  RollbackBench bench = reverting();
  bench.step(rules::AbortRequest{7, bench.event, "wrong one", "kim"});
  REQUIRE(bench.on_their_way.size() == 1);
  bench.confirm_all();
  CHECK(bench.row_now().status == RollbackStatus::in_progress);
  CHECK(bench.row_now().aborted == rules::Said{"kim", "wrong one", bench.now});
  SUBCASE("it ends when the answer is there, and what was marked is put back") {
    bench.take(rules::MigrationsReverted{bench.event, {"second", "first"}, "", ""});
    CHECK(bench.written<rules::RestoreDeployment>().size() == 1);
    CHECK(steps_text(bench.row_now()) == "sssskkks");
  }
  SUBCASE("it ends after a crash, and says that it does not know how far it came") {
    restart(bench);
    CHECK(bench.started<RevertMigrations>().empty());
    CHECK(steps_text(bench.row_now()) == "ssfkkkks");
  }
  CHECK(bench.row_now().status == RollbackStatus::aborted);
  CHECK(bench.row_now().ended_by == Reason::aborted);
  CHECK(bench.row_now().step(StepName::trigger_deploy).error == "stopped by kim: wrong one");
  CHECK(bench.started<Deploy>().empty());
}

TEST_CASE("revert: what was reverted for nothing is said") {
  RollbackBench bench = reverting();
  bench.control.migrations.clear();
  bench.control.pause.on = true;
  bench.take(rules::MigrationsReverted{bench.event, {"second", "first"}, "", ""});
  CHECK(bench.row_now().status == RollbackStatus::aborted);
  CHECK(bench.all_told("rollback_aborted").at(0).description ==
        "Stopped before the dispatch: paused; these migrations stay reverted: second, first");
}

}  // namespace rollbackd::tests
