#include "engine/front_desk.hpp"

#include <doctest/doctest.h>

#include "rules/limits.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::engine {
namespace {

using Kind = rules::Answer::Kind;

struct DeskStage {
  std::vector<rules::Input> handed;
  std::vector<Kind> answers;
  FrontDesk desk{[this](const rules::Input& input) { handed.push_back(input); }};

  void ask() {
    desk.ask(rules::PauseRequest{},
             [this](const rules::Answer& answer) { answers.push_back(answer.kind); });
  }
  // The loop accepts the last request with a transaction of this number.
  void accept(rules::CommitId commit) {
    rules::Output output;
    output.commits.push_back({commit, {}, {}});
    output.answers.push_back(
        {std::get<rules::PauseRequest>(handed.back()).request, Kind::accepted, {}, {}});
    desk.decided(output);
  }
};

rules::Rollback rollback_of(std::size_t number) {
  rules::Rollback rollback;
  std::array<std::uint8_t, 16> bytes{};
  bytes[0] = static_cast<std::uint8_t>(number % 256);
  bytes[1] = static_cast<std::uint8_t>(1 + number / 256);
  rollback.id = rules::EventId{bytes};
  return rollback;
}

}  // namespace

TEST_CASE("front desk: what was accepted is answered when it is committed, and not before") {
  DeskStage stage;
  stage.ask();
  stage.accept(7);
  CHECK(stage.answers.empty());
  stage.desk.committed({6, {}, {}}, {});
  CHECK(stage.answers.empty());
  stage.desk.committed({7, {}, {}}, {});
  CHECK(stage.answers == std::vector{Kind::accepted});
}

TEST_CASE("front desk: what may not have been committed is answered as unavailable") {
  for (const rules::Input& end :
       {rules::Input{rules::CommitDone{7, false, "gone"}}, rules::Input{rules::LeadershipLost{}}}) {
    DeskStage stage;
    stage.ask();
    stage.accept(7);
    stage.desk.took(end);
    CHECK(stage.answers == std::vector{Kind::unavailable});
    stage.desk.committed({7, {}, {}}, {});
    CHECK(stage.answers.size() == 1);
  }
}

TEST_CASE(
    "front desk: a refusal that is written down is answered when it is, like what was accepted") {
  for (const bool is_written : {true, false}) {
    DeskStage stage;
    stage.ask();
    rules::Output output;
    output.commits.push_back({7, {}, {}});
    output.answers.push_back({1, Kind::no_target, {}, {}});
    stage.desk.decided(output);
    CHECK(stage.answers.empty());
    stage.desk.took(rules::CommitDone{7, is_written, {}});
    if (is_written) {
      stage.desk.committed({7, {}, {}}, {});
    }
    CHECK(stage.answers == std::vector{is_written ? Kind::no_target : Kind::unavailable});
  }
}

TEST_CASE("front desk: a reason that is too long is cut between two characters") {
  DeskStage stage;
  rules::PauseRequest request{};
  request.reason = std::string(rules::limits::detail_text_max - 1, 'x') + "ä";
  stage.desk.ask(request, [](const rules::Answer&) {});
  CHECK(std::get<rules::PauseRequest>(stage.handed.back()).reason ==
        std::string(rules::limits::detail_text_max - 3, 'x') + "…");
}

TEST_CASE("front desk: a refusal is answered at once") {
  DeskStage stage;
  stage.ask();
  rules::Output output;
  output.answers.push_back({1, Kind::paused, {}, {}});
  stage.desk.decided(output);
  CHECK(stage.answers == std::vector{Kind::paused});
}

TEST_CASE("front desk: who watches is told the last state and each new one, while they watch") {
  DeskStage stage;
  rules::Rollback rollback = rollback_of(1);
  const auto commit = [&] { stage.desk.committed({1, {rules::PutRollback{rollback}}, {}}, {}); };
  commit();
  int told = 0;
  auto watch = stage.desk.watch(rollback.id, [&](const rules::Rollback&) { ++told; });
  CHECK(told == 1);
  commit();
  CHECK(told == 2);
  watch.reset();
  commit();
  CHECK(told == 2);
}

TEST_CASE(
    "front desk: watches that have ended pile up for no rollback, also when none is told of") {
  DeskStage stage;
  const rules::EventId elsewhere = rollback_of(1).id;
  for (int i = 0; i < 100; ++i) {
    const auto watch = stage.desk.watch(elsewhere, [](const rules::Rollback&) {});
    CHECK(stage.desk.watches_of(elsewhere) == 1);
  }
}

TEST_CASE("front desk: of ended rollbacks only the last are remembered") {
  DeskStage stage;
  for (std::size_t i = 0; i <= FrontDesk::ended_max; ++i) {
    rules::Rollback rollback = rollback_of(i);
    rollback.status = rules::RollbackStatus::success;
    stage.desk.committed({1, {rules::PutRollback{rollback}}, {}}, {});
  }
  int told = 0;
  const auto first = stage.desk.watch(rollback_of(0).id, [&](const rules::Rollback&) { ++told; });
  const auto last = stage.desk.watch(rollback_of(9).id, [&](const rules::Rollback&) { ++told; });
  CHECK(told == 1);
}

}  // namespace rollbackd::engine
