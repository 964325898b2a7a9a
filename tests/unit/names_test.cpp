#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "rules/action.hpp"
#include "rules/deployment.hpp"
#include "rules/output.hpp"
#include "rules/reason.hpp"
#include "rules/rollback.hpp"
#include "rules/trigger_table.hpp"
#include "rules/validation.hpp"
#include "rules/view.hpp"

namespace rollbackd::rules {
namespace {

// The values 0 to n-1 have exactly these names, and each name leads back to its value.
template <class Enum, class Named>
void check_both_ways(const std::vector<std::string_view>& names, Named named) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto value = static_cast<Enum>(i);
    CAPTURE(names[i]);
    CHECK(name_of(value) == names[i]);
    CHECK(named(names[i]) == value);
  }
  CHECK_FALSE(named("").has_value());
  CHECK_FALSE(named("Pending").has_value());
  CHECK_FALSE(named(std::string{names.front()} + " ").has_value());
}

template <class Enum>
void check_names(const std::vector<std::string_view>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    CHECK(name_of(static_cast<Enum>(i)) == names[i]);
  }
}

}  // namespace

TEST_CASE("names: a deployment's statuses are the table's") {
  check_both_ways<DeploymentStatus>({"pending", "in_progress", "success", "failed", "rolled_back"},
                                    deployment_status_named);
}

TEST_CASE("names: a rollback's statuses, types and steps are the table's") {
  check_both_ways<RollbackStatus>({"pending", "in_progress", "success", "failed", "aborted"},
                                  rollback_status_named);
  check_both_ways<TriggerType>({"automatic", "manual", "constitutional_violation"},
                               trigger_type_named);
  check_both_ways<StepStatus>({"pending", "in_progress", "success", "failed", "skipped"},
                              step_status_named);
  check_names<StepName>({"create_pre_rollback_snapshot", "identify_target", "revert_migrations",
                         "mark_rolled_back", "trigger_deploy", "await_deploy", "verify_health",
                         "record_result"});
}

TEST_CASE("names: outcomes and signals lead there and back") {
  check_both_ways<Outcome>({"compliant", "violation", "warning"}, outcome_named);
  check_both_ways<Signal>({"errors_per_minute", "errors", "connection_utilisation",
                           "response_time_p95", "memory_utilisation"},
                          signal_named);
}

TEST_CASE("names: snapshots, alerts and states are said in the API's words") {
  check_names<SnapshotType>({"pre_deployment", "post_deployment", "pre_rollback"});
  check_names<AlertKind>({"initiated", "completed", "failed", "aborted", "rejected", "proposed",
                          "held", "breaker_opened", "late_success", "redeployed", "paused"});
  CHECK(all_alert_kinds().size() == 11);
  check_names<State>({"healthy", "watched", "firing", "held", "proposed", "rolling_back",
                      "rolled_back", "rejected"});
}

TEST_CASE("names: the list of reasons is closed, and each has its own word") {
  CHECK(all_reasons().size() == reason_count);
  std::set<std::string_view> words;
  for (const Reason reason : all_reasons()) {
    const std::string_view word = name_of(reason);
    CAPTURE(word);
    CHECK(words.insert(word).second);
    CHECK(reason_named(word) == reason);
    CHECK(word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
  }
  CHECK_FALSE(reason_named("unknown").has_value());
}

TEST_CASE("names: reasons are listed in the order of judgement") {
  const auto all = all_reasons();
  for (std::size_t i = 1; i < all.size(); ++i) {
    CHECK(all[i - 1] < all[i]);
  }
  CHECK(all.front() == Reason::not_leader);
  CHECK(is_suppression(Reason::too_old));
  CHECK_FALSE(is_suppression(Reason::rollback));
  CHECK_FALSE(is_suppression(Reason::expired));
}

}  // namespace rollbackd::rules
