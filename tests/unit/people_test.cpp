// What people ask for, and what they are answered.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "rules/limits.hpp"
#include "rules/preconditions.hpp"
#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::AlertKind;
using rules::Answer;
using rules::Reason;
using Words = std::vector<std::string>;

rules::ManualRequest request(std::uint64_t deployment = 2) {
  rules::ManualRequest wanted{numbered_id(deployment), "looks wrong", "ann"};
  wanted.request = 42;
  return wanted;
}

void pause(Bench& bench) {
  rules::ControlRead control;
  control.pause = {true, "bob", "a look", at(-5)};
  bench.take(control);
  bench.forget();
}

}  // namespace

TEST_CASE("people: a request is accepted, and answered with the row") {
  Bench bench;
  const Answer answer = bench.ask(request());
  CHECK(answer.kind == Answer::Kind::accepted);
  CHECK(answer.request == 42);
  CHECK(answer.rollback->id == bench.rollback()->id);
}

TEST_CASE("people: a dry run is answered, and leaves nothing behind") {
  Bench bench;
  rules::ManualRequest dry = request();
  dry.dry_run = true;
  CHECK(bench.ask(dry).kind == Answer::Kind::dry_run);
  dry.deployment = numbered_id(1);
  CHECK(bench.ask(dry).kind == Answer::Kind::no_target);
  CHECK(bench.entries.empty());
  CHECK(bench.actions.empty());
}

TEST_CASE("people: what is refused says by what") {
  Bench bench;
  CHECK(bench.ask(request(77)).kind == Answer::Kind::unknown_deployment);
  const Answer none = bench.ask(request(1));
  CHECK(none.kind == Answer::Kind::no_target);
  CHECK_FALSE(none.rollback->validation.compliant());
  rules::Deployment pending = row(3, at(-1), rules::DeploymentStatus::pending);
  bench.put(pending);
  CHECK(bench.ask(request(3)).kind == Answer::Kind::rejected);
  CHECK(bench.ask(request(2)).kind == Answer::Kind::accepted);
  const rules::EventId active = bench.rollback()->id;
  const Answer busy = bench.ask(request(2));
  CHECK(busy.kind == Answer::Kind::under_way);
  CHECK(busy.rollback->id == active);
}

TEST_CASE("people: without the journal nothing can be answered; without the windows it can") {
  Bench bench;
  bench.take(rules::FeedLost{"simulated"});
  CHECK(bench.ask(request(77)).kind == Answer::Kind::unavailable);
  const Answer answer = bench.ask(request());
  CHECK(answer.kind == Answer::Kind::accepted);
  CHECK(answer.rollback->validation.texts(rules::Outcome::warning) ==
        Words{"Not known whether the system is stable: the windows are not complete"});
  bench.take(rules::LeadershipLost{});
  for (const rules::Input& wanted :
       {rules::Input{request()}, rules::Input{rules::ApproveRequest{1, {}, "", ""}},
        rules::Input{rules::AbortRequest{1, {}, "", ""}},
        rules::Input{rules::PauseRequest{1, true, "", ""}},
        rules::Input{rules::CloseBreakerRequest{1, "production", "", ""}}}) {
    CHECK(bench.ask(wanted).kind == Answer::Kind::unavailable);
  }
}

TEST_CASE("people: a pause holds a request, which writes no row, unless it is set aside") {
  Bench bench;
  pause(bench);
  const Answer answer = bench.ask(request());
  CHECK(answer.kind == Answer::Kind::paused);
  CHECK(answer.pause.by == "bob");
  CHECK(bench.entries.empty());
  rules::ManualRequest through = request();
  through.overrides = {Reason::paused};
  CHECK(bench.ask(through).kind == Answer::Kind::accepted);
  CHECK(bench.rollback()->overrides == std::vector{Reason::paused});
}

TEST_CASE(
    "people: a pause holds automatic rollbacks, and its end is looked at with the next second") {
  Bench bench;
  pause(bench);
  bench.errors(6);
  CHECK(bench.explained() == Words{"paused"});
  bench.take(rules::ControlRead{});
  bench.pass(1);
  CHECK(bench.told("rollback_initiated") == 1);
}

TEST_CASE("people: preconditions can be set aside by name, and it is recorded by whom") {
  Bench bench;
  rules::ControlRead control;
  control.migrations = {{"m1", numbered_id(2), {}, false, false, false}};
  bench.take(control);
  CHECK(bench.ask(request()).kind == Answer::Kind::rejected);
  rules::ManualRequest determined = request();
  determined.overrides = {Reason::migration};
  const Answer answer = bench.ask(determined);
  CHECK(answer.kind == Answer::Kind::accepted);
  CHECK(answer.rollback->overrides == determined.overrides);
  const auto warnings = answer.rollback->validation.texts(rules::Outcome::warning);
  CHECK(warnings.back().ends_with("(set aside by ann)"));
}

TEST_CASE("people: no law, no_target, under_way or not_deployed is ever set aside") {
  for (const Reason reason : rules::all_reasons()) {
    const bool may = rules::may_be_overridden(reason);
    CAPTURE(rules::name_of(reason));
    CHECK(may == (reason == Reason::paused || reason == Reason::already_stable ||
                  reason == Reason::superseded || reason == Reason::rollback_of_rollback ||
                  reason == Reason::migration || reason == Reason::inconsistent_database ||
                  reason == Reason::unsafe_value));
  }
  Bench bench;
  rules::ManualRequest determined = request(1);
  determined.overrides = rules::all_reasons();
  const Answer answer = bench.ask(determined);
  CHECK(answer.kind == Answer::Kind::no_target);
  CHECK(answer.rollback->validation.violated() == std::vector{Reason::no_target});
}

TEST_CASE(
    "people: an automatic rollback that a person stops before its dispatch latches, a manual one "
    "not") {
  const auto latched_after = [](bool automatic) {
    Bench bench;
    if (automatic) {
      bench.errors(6);
    } else {
      bench.ask(request());
    }
    const Answer answer = bench.ask(rules::AbortRequest{1, bench.rollback()->id, "no", "ann"});
    CHECK(answer.kind == Answer::Kind::accepted);
    CHECK(bench.rollback()->status == rules::RollbackStatus::aborted);
    CHECK(bench.rollback()->ended_by == Reason::aborted);
    CHECK(bench.started<rules::Deploy>().empty());
    return bench.world().services.at(app).latch.has_value();
  };
  CHECK(latched_after(true));
  CHECK_FALSE(latched_after(false));
}

TEST_CASE("people: who stops a rollback while a step is being written comes before the next step") {
  Bench bench;
  bench.step(request());
  REQUIRE(bench.on_their_way.size() == 1);
  const rules::EventId id =
      std::get<rules::PutRollback>(bench.on_their_way[0].entries.at(0)).rollback.id;
  // All that the next step waits for is there.
  bench.step(rules::SnapshotTaken{numbered_id(2), rules::SnapshotType::pre_rollback, "id", {}});
  CHECK(bench.step(rules::AbortRequest{1, id, "no", "ann"}).answers.empty());
  const rules::CommitId first = bench.on_their_way[0].id;
  bench.on_their_way.clear();
  const rules::Output output = bench.step(rules::CommitDone{first, true, {}});
  REQUIRE(output.answers.size() == 1);
  CHECK(output.answers[0].kind == Answer::Kind::accepted);
  bench.confirm_all();
  CHECK(bench.rollback()->ended_by == Reason::aborted);
  CHECK(bench.started<rules::Deploy>().empty());
}

TEST_CASE("people: so many requests wait for a transaction, and the next is asked to come again") {
  Bench bench;
  bench.step(request());
  const rules::EventId id =
      std::get<rules::PutRollback>(bench.on_their_way.at(0).entries.at(0)).rollback.id;
  for (std::size_t i = 0; i < rules::limits::requests_postponed_max; ++i) {
    CHECK(bench.step(rules::ApproveRequest{i, id, "yes", "ann"}).answers.empty());
  }
  const auto refused = bench.step(rules::ApproveRequest{99, id, "yes", "ann"}).answers;
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].kind == Answer::Kind::unavailable);
  CHECK(bench.step(rules::LeadershipLost{}).answers.size() ==
        rules::limits::requests_postponed_max);
}

TEST_CASE("people: after the dispatch it is too late to abort") {
  Bench bench;
  bench.ask(request());
  bench.take(rules::SnapshotTaken{numbered_id(2), rules::SnapshotType::pre_rollback, "id", {}});
  REQUIRE(bench.started<rules::Deploy>().size() == 1);
  const Answer answer = bench.ask(rules::AbortRequest{1, bench.rollback()->id, "no", "ann"});
  CHECK(answer.kind == Answer::Kind::dispatched);
  CHECK(bench.ask(rules::AbortRequest{1, {}, "no", "ann"}).kind == Answer::Kind::unknown_event);
}

TEST_CASE("people: a pause is written at once, and told when it is read, once, whoever made it") {
  Bench bench;
  const Answer answer = bench.ask(rules::PauseRequest{1, true, "a look", "ann"});
  CHECK(answer.kind == Answer::Kind::accepted);
  CHECK(answer.pause.on);
  REQUIRE(bench.written<rules::SetPause>().size() == 1);
  CHECK(bench.told("pause") == 0);
  bench.errors(6);
  CHECK(bench.explained() == Words{"paused"});  // in memory it counts already
  rules::ControlRead control;
  control.pause = bench.written<rules::SetPause>()[0].pause;
  bench.take(control);
  bench.take(control);
  CHECK(bench.told("pause") == 1);
  CHECK(bench.all_told("pause")[0].description == "Paused by ann: a look");
  CHECK(bench.written<rules::Alert>().back().kind == AlertKind::paused);
  // Somebody goes on with plain SQL, which leaves the words of the pause where they were.
  control.pause.on = false;
  bench.take(control);
  bench.take(control);
  CHECK(bench.told("resume") == 1);
  bench.take(rules::ControlRead{});
  CHECK(bench.told("resume") == 1);
}

TEST_CASE("people: what tells a pause and was not written is told again; a standby tells nothing") {
  rules::ControlRead control;
  control.pause = {true, "bob", "a look", noon};
  Bench bench;
  bench.step(control);
  bench.fail_commit();
  bench.read_journal();
  bench.take(control);
  CHECK(bench.told("pause") == 1);
  Bench standby;
  standby.take(rules::LeadershipLost{});
  standby.take(control);
  standby.read_journal();
  standby.take(control);
  CHECK(standby.told("pause") == 0);
}

}  // namespace rollbackd::tests
