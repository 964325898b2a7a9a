#include "rules/reason.hpp"

#include "rules/names.hpp"

namespace rollbackd::rules {
namespace {

constexpr auto reasons = names_of<Reason>({
    {Reason::not_leader, "not_leader"},
    {Reason::active, "active"},
    {Reason::not_to_blame, "not_to_blame"},
    {Reason::latched, "latched"},
    {Reason::paused, "paused"},
    {Reason::breaker_open, "breaker_open"},
    {Reason::capped, "capped"},
    {Reason::cooldown, "cooldown"},
    {Reason::failed_deploy, "failed_deploy"},
    {Reason::others_bad, "others_bad"},
    {Reason::unhealthy_before, "unhealthy_before"},
    {Reason::stale, "stale"},
    {Reason::law_inhabitance, "law_inhabitance"},
    {Reason::law_harmonic_attraction, "law_harmonic_attraction"},
    {Reason::law_total_coherence, "law_total_coherence"},
    {Reason::law_structural_integrity, "law_structural_integrity"},
    {Reason::already_stable, "already_stable"},
    {Reason::no_target, "no_target"},
    {Reason::under_way, "under_way"},
    {Reason::not_deployed, "not_deployed"},
    {Reason::superseded, "superseded"},
    {Reason::rollback_of_rollback, "rollback_of_rollback"},
    {Reason::migration, "migration"},
    {Reason::inconsistent_database, "inconsistent_database"},
    {Reason::unsafe_value, "unsafe_value"},
    {Reason::shadow, "shadow"},
    {Reason::ask, "ask"},
    {Reason::too_old, "too_old"},
    {Reason::rollback, "rollback"},
    {Reason::aborted, "aborted"},
    {Reason::expired, "expired"},
    {Reason::migration_failed, "migration_failed"},
    {Reason::still_unhealthy, "still_unhealthy"},
    {Reason::deploy_failed, "deploy_failed"},
    {Reason::outcome_unknown, "outcome_unknown"},
});
static_assert(reasons.rows.size() == reason_count);

}  // namespace

std::string_view name_of(Reason reason) { return reasons.name_of(reason); }
std::optional<Reason> reason_named(std::string_view name) { return reasons.named(name); }

std::string joined(const std::vector<Reason>& all) {
  std::string text;
  for (const Reason reason : all) {
    text += (text.empty() ? "" : ", ") + std::string{name_of(reason)};
  }
  return text;
}

std::vector<Reason> all_reasons() {
  std::vector<Reason> all;
  for (const auto& [reason, name] : reasons.rows) {
    all.push_back(reason);
  }
  return all;
}

}  // namespace rollbackd::rules
