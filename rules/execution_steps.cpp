#include "rules/execution_steps.hpp"

#include <utility>

namespace rollbackd::rules {

void begin(Rollback& rollback, StepName name, Instant now) {
  Step& step = rollback.step(name);
  step.status = StepStatus::in_progress;
  step.started_at = step.started_at.value_or(now);
  step.error.clear();
}

void end(Rollback& rollback, StepName name, StepStatus status, Instant now, std::string error) {
  Step& step = rollback.step(name);
  step.status = status;
  step.started_at = step.started_at.value_or(now);
  step.completed_at = now;
  step.error = std::move(error);
}

void do_at_once(Rollback& rollback, StepName name, Instant now) {
  end(rollback, name, StepStatus::success, now);
}

void skip_the_rest(Rollback& rollback) {
  for (Step& step : rollback.steps) {
    if (step.status == StepStatus::pending || step.status == StepStatus::in_progress) {
      step.status = StepStatus::skipped;
    }
  }
}

void interrupt_reverting(Rollback& rollback, Instant now) {
  end(rollback, StepName::revert_migrations, StepStatus::failed, now,
      "interrupted: which of these migrations are reverted is in ops.migration_history");
}

bool is_marked(const Rollback& rollback) {
  return rollback.step(StepName::mark_rolled_back).status == StepStatus::success;
}

RestoreDeployment restore(const Rollback& rollback) {
  return {rollback.deployment, rollback.old_status, rollback.old_health_check_passed,
          rollback.replacement};
}

std::string last_error(const Rollback& rollback) {
  std::string error;
  for (const Step& step : rollback.steps) {
    error = step.status == StepStatus::failed ? step.error : error;
  }
  return error;
}

std::string stay_reverted(const Rollback& rollback) {
  const Step& step = rollback.step(StepName::revert_migrations);
  if (step.status != StepStatus::success || step.metadata.empty()) {
    return {};
  }
  return "; these migrations stay reverted: " + value_text(step.metadata.front().value);
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

bool can_be_followed(const std::string& executor) { return executor == "github"; }

}  // namespace rollbackd::rules
