// What is told, or proposed, instead of a rollback (DESIGN.md sections 4 and 5).

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::AlertKind;
using rules::Answer;
using rules::Reason;
using rules::RollbackStatus;
using Words = std::vector<std::string>;

rules::Policy in_mode(rules::Mode mode) {
  rules::Policy policy;
  policy.mode = mode;
  return policy;
}

// v2 fires, and waits for a person.
Bench proposed(rules::Policy policy = in_mode(rules::Mode::ask)) {
  Bench bench{std::move(policy)};
  bench.errors(6);
  REQUIRE(bench.rollback());
  return bench;
}

rules::ApproveRequest approval(const Bench& bench) {
  return {1, bench.rollback()->id, "go on", "ann"};
}

std::size_t alerts(const Bench& bench, AlertKind kind) {
  auto all = bench.written<rules::Alert>();
  std::erase_if(all, [&](const rules::Alert& alert) { return alert.kind != kind; });
  return all.size();
}

}  // namespace

TEST_CASE("modes: in the shadow it is one row of the story and nothing else, told once") {
  Bench bench{in_mode(rules::Mode::shadow)};
  bench.errors(6);
  bench.pass(20);
  CHECK(bench.stories() == Words{"rollback_shadow"});
  CHECK(bench.all_told("rollback_shadow")[0].description ==
        "High error rate: 6 errors/minute; would be rolled back to v1");
  CHECK(bench.explained() == Words{"shadow"});
  CHECK(bench.entries.size() == 1);
  CHECK(bench.actions.empty());
}

TEST_CASE("modes: in the shadow a hold is no alert, and the cap opens no breaker") {
  rules::Policy policy = in_mode(rules::Mode::shadow);
  policy.max_per_hour = 0;
  Bench bench{policy};
  bench.errors(6);
  CHECK(bench.stories() == Words{"rollback_shadow"});
  CHECK(bench.all_told("rollback_shadow")[0].description ==
        "High error rate: 6 errors/minute; would have to wait: capped");
  CHECK(bench.entries.size() == 1);
}

TEST_CASE("modes: ask writes a pending row that expires, announces it, and does nothing") {
  Bench bench = proposed();
  const auto r = bench.rollback();
  CHECK(r->status == RollbackStatus::pending);
  CHECK(r->asked);
  CHECK(r->expires_at == bench.now + rules::minutes{30});
  CHECK(r->type == rules::TriggerType::automatic);
  CHECK(steps_text(*r) == "pppppppp");
  CHECK(bench.stories() == Words{"rollback_validation", "rollback_proposed"});
  CHECK(alerts(bench, AlertKind::proposed) == 1);
  CHECK(bench.actions.empty());
  CHECK(bench.decider.check(numbered_id(2))->state == rules::State::proposed);
  bench.pass(30);
  CHECK(bench.explained() == Words{"ask", "active"});
}

TEST_CASE("modes: too_old is asked about, by the age of the deployment, to the microsecond") {
  const auto decided = [](rules::Duration max_age) {
    rules::Policy policy;
    policy.max_age = max_age;
    Bench bench{policy};
    bench.errors(6);
    return bench.explained();
  };
  CHECK(decided(rules::seconds{600}) == Words{"rollback"});  // v2 is ten minutes old
  CHECK(decided(rules::seconds{600} - rules::Duration{1}) == Words{"too_old"});
  rules::Policy both = in_mode(rules::Mode::ask);
  both.max_age = rules::seconds{1};
  CHECK(proposed(both).explained() == Words{"ask", "too_old"});
}

TEST_CASE("modes: nobody approves: it expires, is told, and is not proposed again while it fires") {
  rules::Policy policy = in_mode(rules::Mode::ask);
  policy.ask_expires = rules::seconds{20};
  Bench bench = proposed(policy);
  CHECK(bench.decider.wake_at() == bench.rollback()->expires_at);
  bench.pass(19);
  CHECK(bench.rollback()->status == RollbackStatus::pending);
  bench.pass(1);
  const auto r = bench.rollback();
  CHECK(r->status == RollbackStatus::aborted);
  CHECK(r->ended_by == Reason::expired);
  CHECK(steps_text(*r) == "kkkkkkks");
  CHECK(alerts(bench, AlertKind::aborted) == 1);
  bench.pass(30);
  CHECK(bench.told("rollback_proposed") == 1);
  CHECK(bench.decider.active_rollbacks() == 0);
}

TEST_CASE("modes: another deployment ends the proposal, and is judged at once") {
  Bench bench = proposed();
  bench.take(bench.batch({row(3, bench.now)}));
  const rules::EventId first = bench.rollback()->id;
  CHECK(bench.rollback()->ended_by == Reason::superseded);
  rules::EventGroup own = logged(bench.now, 6);
  own.deployment = numbered_id(3);
  bench.take(bench.recounted(app, {own}));
  CHECK(bench.told("rollback_proposed") == 2);
  CHECK(bench.rollback()->id != first);
  CHECK(bench.rollback()->deployment == numbered_id(3));
  CHECK_FALSE(bench.world().services.at(app).latch);
}

TEST_CASE("modes: an approval is validated anew and makes the rollback of it") {
  Bench bench = proposed();
  const rules::EventId id = bench.rollback()->id;
  const Answer answer = bench.ask(approval(bench));
  CHECK(answer.kind == Answer::Kind::accepted);
  const auto r = bench.rollback();
  CHECK(r->id == id);
  CHECK(r->status == RollbackStatus::in_progress);
  CHECK(r->type == rules::TriggerType::automatic);
  REQUIRE(r->approved);
  CHECK(r->approved->by == "ann");
  CHECK(r->approved->reason == "go on");
  CHECK(bench.told("rollback_approved") == 1);
  CHECK(alerts(bench, AlertKind::initiated) == 1);
  CHECK(bench.started<rules::TakeSnapshot>().size() == 1);
  // Without confirm.
  bench.take(rules::SnapshotTaken{numbered_id(2), rules::SnapshotType::pre_rollback, "id", {}});
  CHECK(bench.started<rules::Deploy>().size() == 1);
  CHECK(bench.ask(approval(bench)).kind == Answer::Kind::not_waiting);
}

TEST_CASE("modes: an approval does not meet the guards, but the pause and the preconditions") {
  Bench bench = proposed();
  rules::ControlRead control;
  control.pause = {true, "bob", "stop", bench.now};
  bench.take(control);
  const Answer paused = bench.ask(approval(bench));
  CHECK(paused.kind == Answer::Kind::paused);
  CHECK(paused.pause.by == "bob");
  CHECK(bench.rollback()->status == RollbackStatus::pending);
  control.pause.on = false;
  control.breakers = {{"production", "capped", bench.now}};
  control.migrations = {{"m1", numbered_id(2), {}, false, false, false}};
  bench.take(control);
  const Answer refused = bench.ask(approval(bench));
  CHECK(refused.kind == Answer::Kind::rejected);
  CHECK(refused.rollback->validation.violated() == std::vector{Reason::migration});
  CHECK(bench.rollback()->status == RollbackStatus::pending);
  CHECK(bench.all_told("rollback_validation").back().severity == "error");
  control.migrations.clear();
  bench.take(control);
  CHECK(bench.ask(approval(bench)).kind == Answer::Kind::accepted);
}

TEST_CASE("modes: an approval of what has become quiet is a warning, no refusal") {
  Bench bench = proposed();
  bench.pass(320);
  CHECK(bench.ask(approval(bench)).kind == Answer::Kind::accepted);
  CHECK(bench.rollback()->validation.texts(rules::Outcome::warning).size() == 1);
}

TEST_CASE("modes: a person who stops a proposal latches the service") {
  Bench bench = proposed();
  const Answer answer = bench.ask(rules::AbortRequest{2, bench.rollback()->id, "no", "ann"});
  CHECK(answer.kind == Answer::Kind::accepted);
  const auto r = bench.rollback();
  CHECK(r->ended_by == Reason::aborted);
  CHECK(r->aborted->by == "ann");
  CHECK(bench.world().services.at(app).latch);
  bench.pass(2);
  CHECK(bench.explained() == Words{"ask", "latched"});
  CHECK(bench.told("rollback_held") == 1);
  CHECK(alerts(bench, AlertKind::held) == 0);  // they were told that it was aborted
  CHECK(bench.ask(rules::AbortRequest{3, r->id, "no", "ann"}).kind == Answer::Kind::unknown_event);
}

TEST_CASE(
    "modes: who sees a proposal before its transaction is known to be written is answered when it "
    "is") {
  const auto being_written = [] {
    Bench bench{in_mode(rules::Mode::ask)};
    bench.step(bench.batch({}, {logged(bench.now, 6)}));
    REQUIRE(bench.on_their_way.size() == 1);
    return bench;
  };
  for (const bool is_written : {true, false}) {
    Bench bench = being_written();
    const rules::EventId id =
        std::get<rules::PutRollback>(bench.on_their_way[0].entries.at(0)).rollback.id;
    rules::ApproveRequest yes{7, id, "go on", "ann"};
    yes.sender.key = "k";
    CHECK(bench.step(yes).answers.empty());
    const rules::CommitId commit = bench.on_their_way[0].id;
    bench.on_their_way.clear();
    const rules::Output output = bench.step(rules::CommitDone{commit, is_written, {}});
    REQUIRE(output.answers.size() == 1);
    CHECK(output.answers[0].request == 7);
    CHECK(output.answers[0].kind ==
          (is_written ? Answer::Kind::accepted : Answer::Kind::unavailable));
    REQUIRE(output.commits.size() == (is_written ? 1 : 0));
    if (is_written) {
      const auto& kept = std::get<rules::KeepRequest>(output.commits[0].entries.back());
      CHECK(kept.sender.key == "k");
      CHECK(kept.event == id);
    }
  }
  Bench bench = being_written();
  rules::ManualRequest request{numbered_id(2), "enough", "ann"};
  CHECK(bench.step(request).answers.empty());
  bench.confirm_all();
  CHECK(bench.rollback()->approved->reason == "enough");
}

TEST_CASE("modes: a manual request takes the proposal over, and its row stays automatic") {
  Bench bench = proposed();
  const rules::EventId id = bench.rollback()->id;
  rules::ManualRequest request{numbered_id(2), "enough", "00000000-0000-0000-0000-00000000abcd"};
  const Answer answer = bench.ask(request);
  CHECK(answer.kind == Answer::Kind::accepted);
  const auto r = bench.rollback();
  CHECK(r->id == id);
  CHECK(r->type == rules::TriggerType::automatic);
  CHECK(r->status == RollbackStatus::in_progress);
  CHECK(r->approved->reason == "enough");
  CHECK(r->reason == "High error rate: 6 errors/minute");
  CHECK(r->initiated_by == request.initiated_by);
}

TEST_CASE("modes: a proposal outlives a restart, with its deadline") {
  rules::Policy policy = in_mode(rules::Mode::ask);
  Bench bench = proposed(policy);
  rules::JournalRead journal;
  journal.active = {*bench.rollback()};
  Bench other{policy};
  other.read_journal(journal);
  CHECK(other.decider.active_rollbacks() == 1);
  CHECK(other.entries.empty());
  CHECK(other.decider.wake_at() == journal.active[0].expires_at);
  const auto answers =
      other.step(rules::ApproveRequest{1, journal.active[0].id, "", "ann"}).answers;
  CHECK(answers.at(0).kind == Answer::Kind::accepted);
}

TEST_CASE("modes: the version that was rolled back is deployed again: said aloud, once") {
  Bench bench;
  rules::Deployment bad = row_of(bench.world(), 2);
  bad.status = rules::DeploymentStatus::rolled_back;
  bench.put(bad);
  bench.forget();
  rules::Deployment again = row(5, bench.now);
  again.version = bad.version;
  again.git_commit = bad.git_commit;
  bench.put(again);
  CHECK(bench.stories() == Words{"deployment_seen", "warning"});
  CHECK(alerts(bench, AlertKind::redeployed) == 1);
  bench.put(again);
  CHECK(alerts(bench, AlertKind::redeployed) == 1);
  rules::Deployment another = row(6, bench.now);
  another.version = bad.version;  // another commit of it
  bench.put(another);
  CHECK(alerts(bench, AlertKind::redeployed) == 1);
}

TEST_CASE("modes: a standby says not_leader, once, and writes nothing") {
  Bench bench;
  bench.take(rules::LeadershipLost{});
  bench.errors(6);
  bench.pass(20);
  CHECK(bench.explained() == Words{"not_leader"});
  CHECK(bench.entries.empty());
  bench.read_journal();
  bench.pass(1);
  CHECK(bench.told("rollback_initiated") == 1);
}

}  // namespace rollbackd::tests
