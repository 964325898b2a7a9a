#include <sstream>

#include <doctest/doctest.h>

#include "tests/support/metrics_kit.hpp"

namespace rollbackd::engine {
namespace {

using rules::instant_of;

}  // namespace

TEST_CASE("metrics: a rollback counts once when it begins and once when it ends") {
  Metrics metrics{200};
  rules::Rollback rollback = some_rollback();
  metrics.committed(commit_of(rules::PutRollback{rollback, true}), rules::seconds{0});
  metrics.committed(commit_of(rules::PutRollback{rollback}), rules::seconds{0});
  rollback.status = rules::RollbackStatus::success;
  rollback.completed_at = instant_of(1045);
  metrics.committed(commit_of(rules::PutRollback{rollback}), rules::seconds{0});
  metrics.committed(commit_of(rules::PutRollback{rollback}), rules::seconds{0});
  const std::string text = metrics.scrape(FakeView{}, {});
  CHECK(has_line(text, "rollbackd_rollbacks_started_total{trigger_type=\"automatic\"} 1"));
  CHECK(has_line(text, "rollbackd_rollbacks_total{outcome=\"success\",reason=\"rollback\"} 1"));
  CHECK(has_line(text, "rollbackd_decision_to_recovered_seconds_sum 45"));
  CHECK(has_line(text, "rollbackd_journal_wait_seconds_count 4"));
}

TEST_CASE("metrics: a rollback begun before a restart counts when it ends") {
  Metrics metrics{200};
  rules::Rollback rollback = some_rollback();
  metrics.took(rules::JournalRead{{rollback}, {}, {}});
  rollback.status = rules::RollbackStatus::failed;
  rollback.ended_by = rules::Reason::outcome_unknown;
  metrics.committed(commit_of(rules::PutRollback{rollback}), rules::seconds{0});
  const std::string text = metrics.scrape(FakeView{}, {});
  CHECK(
      has_line(text, "rollbackd_rollbacks_total{outcome=\"failed\",reason=\"outcome_unknown\"} 1"));
  CHECK(has_line(text, "rollbackd_rollbacks_started_total{trigger_type=\"automatic\"} 0"));
}

TEST_CASE("metrics: steps, dispatches and what became of them count once each") {
  Metrics metrics{200};
  rules::Rollback rollback = some_rollback();
  rollback.executor = "github";
  metrics.committed(commit_of(rules::PutRollback{rollback, true}), rules::seconds{0});
  rules::Step& snapshot = rollback.step(rules::StepName::create_pre_rollback_snapshot);
  snapshot = {rules::StepStatus::failed, instant_of(1000), instant_of(1002), "late", {}};
  rollback.step(rules::StepName::revert_migrations).status = rules::StepStatus::skipped;
  rollback.claims = 1;
  metrics.committed(commit_of(rules::PutRollback{rollback}), rules::seconds{0});
  metrics.committed(commit_of(rules::PutRollback{rollback}), rules::seconds{0});
  metrics.took(rules::DeployEnded{rollback.id, rules::DeployOutcome::refused, ""});
  metrics.took(rules::DeployEnded{rollback.id, rules::DeployOutcome::succeeded, ""});
  metrics.took(rules::DeployEnded{rules::EventId{{9}}, rules::DeployOutcome::failed, ""});
  const std::string text = metrics.scrape(FakeView{}, {});
  const std::string step = "{step=\"create_pre_rollback_snapshot\"}";
  CHECK(has_line(text, "rollbackd_rollback_step_duration_seconds_sum" + step + " 2"));
  CHECK(has_line(text, "rollbackd_rollback_step_duration_seconds_count" + step + " 1"));
  CHECK(has_line(text, "rollbackd_rollback_steps_failed_total" + step + " 1"));
  CHECK(has_line(text,
                 "rollbackd_rollback_step_duration_seconds_count{step=\"revert_migrations\"} 0"));
  CHECK(has_line(text, "rollbackd_deploys_total{executor=\"github\"} 1"));
  CHECK(
      has_line(text, "rollbackd_deploys_failed_total{executor=\"github\",outcome=\"refused\"} 1"));
  CHECK(has_line(text, "rollbackd_deploys_failed_total{executor=\"github\",outcome=\"failed\"} 0"));
  CHECK(has_line(text, "rollbackd_last_rollback_timestamp_seconds 1000"));
}

TEST_CASE("metrics: a validation counts with what each law said, also of a rejection") {
  Metrics metrics{200};
  rules::Rollback rejected = some_rollback();
  rejected.type = rules::TriggerType::constitutional_violation;
  rejected.validation.checks = {
      {rules::Reason::law_inhabitance, rules::Outcome::compliant, {}, {}, ""},
      {rules::Reason::law_structural_integrity, rules::Outcome::warning, {}, {}, "w"},
      {rules::Reason::no_target, rules::Outcome::violation, {}, {}, "none"}};
  rules::Commit commit = commit_of(rules::PutRollback{rejected, true});
  rules::RomanEvent told;
  told.event_type = "rollback_validation";
  commit.entries.emplace_back(told);
  metrics.committed(commit, rules::seconds{0});
  metrics.committed(commit_of(rules::PutRollback{some_rollback(), true}), rules::seconds{0});
  const std::string text = metrics.scrape(FakeView{}, {});
  CHECK(has_line(text, "rollbackd_validations_total 1"));
  CHECK(has_line(text, "rollbackd_validations_refused_total 1"));
  CHECK(has_line(text,
                 "rollbackd_law_checks_total{law=\"law_inhabitance\",outcome=\"compliant\"} 1"));
  CHECK(has_line(
      text, "rollbackd_law_checks_total{law=\"law_structural_integrity\",outcome=\"warning\"} 1"));
  CHECK(text.find("law=\"no_target\"") == std::string::npos);
}

TEST_CASE("metrics: a rejection is no rollback") {
  Metrics metrics{200};
  rules::Rollback rejection = some_rollback();
  rejection.type = rules::TriggerType::constitutional_violation;
  rejection.status = rules::RollbackStatus::aborted;
  metrics.committed(commit_of(rules::PutRollback{rejection, true}), rules::seconds{0});
  metrics.committed(commit_of(rules::Alert{rules::AlertKind::rejected, rejection}),
                    rules::seconds{0});
  const std::string text = metrics.scrape(FakeView{}, {});
  CHECK(has_line(text, "rollbackd_rollbacks_started_total{trigger_type=\"automatic\"} 0"));
  CHECK(text.find("rollbackd_rollbacks_total{outcome=\"aborted\",reason=\"rollback\"} 0") !=
        std::string::npos);
  CHECK(has_line(text, "rollbackd_alerts_total{kind=\"rejected\"} 1"));
}

TEST_CASE("metrics: as many series with any number of events and rollbacks") {
  Metrics metrics{200};
  const auto series = [&] {
    const std::string text = metrics.scrape(FakeView{}, {});
    std::size_t lines = 0;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) {
      lines += line.starts_with('#') ? 0U : 1U;
    }
    return lines;
  };
  const std::size_t before = series();
  for (std::uint8_t i = 1; i < 200; ++i) {
    rules::Rollback rollback = some_rollback();
    rollback.id = rules::EventId{{i}};
    rollback.deployment = rules::DeploymentId{{i}};
    rollback.service.name = "s" + std::to_string(i);
    metrics.committed(commit_of(rules::PutRollback{rollback, true}), rules::seconds{0});
    rollback.status = rules::RollbackStatus::failed;
    metrics.committed(commit_of(rules::PutRollback{rollback}), rules::seconds{0});
  }
  CHECK(series() == before);
}

}  // namespace rollbackd::engine
