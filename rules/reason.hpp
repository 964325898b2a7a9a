#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rollbackd::rules {

// The closed list of reasons (DESIGN.md section 4). The same name is the log word, the journal
// field, the metric label and the API field.
enum class Reason {
  // suppressed
  not_leader,
  active,
  not_to_blame,
  // holds
  latched,
  paused,
  breaker_open,
  capped,
  cooldown,
  failed_deploy,
  others_bad,
  unhealthy_before,
  stale,
  // laws and preconditions
  law_inhabitance,
  law_harmonic_attraction,
  law_total_coherence,
  law_structural_integrity,
  already_stable,
  no_target,
  under_way,
  not_deployed,
  superseded,
  rollback_of_rollback,
  migration,
  inconsistent_database,
  unsafe_value,
  // instead of a rollback
  shadow,
  ask,
  too_old,
  // what became of it
  rollback,
  aborted,
  expired,
  migration_failed,
  still_unhealthy,
  deploy_failed,
  outcome_unknown,
};

inline constexpr std::size_t reason_count = 35;

// In the order of judgement.
std::vector<Reason> all_reasons();

// Whether it is what a trigger that fires can meet instead of its rollback; the others are how a
// rollback ends. (Some of these end one, too: what was met right before its dispatch.)
constexpr bool is_suppression(Reason reason) { return reason < Reason::rollback; }

std::string_view name_of(Reason reason);
std::optional<Reason> reason_named(std::string_view name);

// "cooldown, others_bad"
std::string joined(const std::vector<Reason>& reasons);

}  // namespace rollbackd::rules
