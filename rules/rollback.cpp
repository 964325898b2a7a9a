#include "rules/rollback.hpp"

#include "rules/names.hpp"

namespace rollbackd::rules {
namespace {

constexpr auto statuses = names_of<RollbackStatus>({
    {RollbackStatus::pending, "pending"},
    {RollbackStatus::in_progress, "in_progress"},
    {RollbackStatus::success, "success"},
    {RollbackStatus::failed, "failed"},
    {RollbackStatus::aborted, "aborted"},
});

constexpr auto types = names_of<TriggerType>({
    {TriggerType::automatic, "automatic"},
    {TriggerType::manual, "manual"},
    {TriggerType::constitutional_violation, "constitutional_violation"},
});

constexpr auto steps = names_of<StepName>({
    {StepName::create_pre_rollback_snapshot, "create_pre_rollback_snapshot"},
    {StepName::identify_target, "identify_target"},
    {StepName::revert_migrations, "revert_migrations"},
    {StepName::mark_rolled_back, "mark_rolled_back"},
    {StepName::trigger_deploy, "trigger_deploy"},
    {StepName::await_deploy, "await_deploy"},
    {StepName::verify_health, "verify_health"},
    {StepName::record_result, "record_result"},
});
static_assert(steps.rows.size() == step_count);

constexpr auto step_statuses = names_of<StepStatus>({
    {StepStatus::pending, "pending"},
    {StepStatus::in_progress, "in_progress"},
    {StepStatus::success, "success"},
    {StepStatus::failed, "failed"},
    {StepStatus::skipped, "skipped"},
});

}  // namespace

std::string_view name_of(RollbackStatus status) { return statuses.name_of(status); }
std::string_view name_of(TriggerType type) { return types.name_of(type); }
std::string_view name_of(StepName name) { return steps.name_of(name); }
std::string_view name_of(StepStatus status) { return step_statuses.name_of(status); }

std::optional<RollbackStatus> rollback_status_named(std::string_view name) {
  return statuses.named(name);
}
std::optional<TriggerType> trigger_type_named(std::string_view name) { return types.named(name); }
std::optional<StepStatus> step_status_named(std::string_view name) {
  return step_statuses.named(name);
}

}  // namespace rollbackd::rules
