#include "engine/terminal/reason_text.hpp"

#include <array>
#include <cstddef>

namespace rollbackd::terminal {
namespace {

using rules::Reason;

constexpr std::string_view a_law = "A law forbids it.";
constexpr std::string_view no_law = "No law can be overridden; this rollback is not to be done.";

struct Row {
  Reason reason;
  ReasonText text;
};

// In the order of the enumeration.
constexpr std::array<Row, rules::reason_count> rows{{
    {Reason::not_leader,
     {"This daemon did not lead.", "The one that leads decides; ops.leader names it."}},
    {Reason::active, {"A rollback or proposal of the service was under way.", ""}},
    {Reason::not_to_blame,
     {"What was measured is everybody's, and this deployment was not the newest, not quiet when it "
      "arrived, or not the only one within blame_window.",
      "If it is to blame all the same: rollbackctl rollback."}},
    {Reason::latched,
     {"The last rollback of the service failed, or a person stopped one.",
      "It holds until another deployment is current: deploy what should serve, or rollbackctl "
      "rollback."}},
    {Reason::paused, {"Rollbacks were paused.", "rollbackctl resume"}},
    {Reason::breaker_open,
     {"The environment had too many automatic rollbacks within an hour.",
      "When that is understood: rollbackctl resume --breaker ENVIRONMENT."}},
    {Reason::capped,
     {"rollback.max_per_hour automatic rollbacks of the environment were reached; this opens its "
      "breaker.",
      "When that is understood: rollbackctl resume --breaker ENVIRONMENT."}},
    {Reason::cooldown,
     {"The last automatic rollback of the service ended less than rollback.cooldown ago.",
      "It is judged again by itself when that time has passed."}},
    {Reason::failed_deploy,
     {"A newer deployment of the service failed less than 10 minutes ago: somebody is at it.",
      "It is judged again by itself, or when something is deployed."}},
    {Reason::others_bad,
     {"At least half of the environment's other services were bad, too: it is not this deployment.",
      "Look at what they share. If it is this one all the same: rollbackctl rollback."}},
    {Reason::unhealthy_before,
     {"The deployment before it was bad already in its last minute.",
      "Look at what else changed. If it is this one all the same: rollbackctl rollback."}},
    {Reason::stale,
     {"The evidence was older than rollback.stale_after, from before an outage.",
      "It is judged anew by itself."}},
    {Reason::law_inhabitance, {a_law, no_law}},
    {Reason::law_harmonic_attraction, {a_law, no_law}},
    {Reason::law_total_coherence, {a_law, no_law}},
    {Reason::law_structural_integrity, {a_law, no_law}},
    {Reason::already_stable,
     {"The system was stable.", "A person can roll back all the same: rollbackctl rollback."}},
    {Reason::no_target,
     {"There is nothing to go back to: no earlier deployment of the service is success, passed its "
      "health check, is no replacement, and of another version or commit.",
      "Deploy a version that works."}},
    {Reason::under_way,
     {"A rollback of the service was under way.", "Wait for its end: rollbackctl history."}},
    {Reason::not_deployed, {"The deployment was pending: it did not serve.", ""}},
    {Reason::superseded, {"Another deployment was current.", "Roll back the one that serves."}},
    {Reason::rollback_of_rollback,
     {"The deployment is itself the result of a rollback.",
      "Deploy a version that works, or rollbackctl rollback."}},
    {Reason::migration,
     {"A migration since the target does not say that it is backward compatible.",
      "rollbackctl rollback with --revert-migrations, or --override migration if the older version "
      "can live with it."}},
    {Reason::inconsistent_database,
     {"A migration of the service failed to revert.",
      "Bring the database in order and correct its row in ops.migration_history."}},
    {Reason::unsafe_value,
     {"A value for the executor begins with '-' or holds control characters.",
      "Correct the row in ops.deployments."}},
    {Reason::shadow, {"The mode is shadow: it is only said what would be done.", ""}},
    {Reason::ask, {"The mode is ask: a person decides.", "rollbackctl approve, or abort."}},
    {Reason::too_old,
     {"The deployment is older than rollback.max_age: a person decides.",
      "rollbackctl approve, or abort."}},
    {Reason::rollback, {"It was rolled back.", ""}},
    {Reason::aborted, {"A person stopped it before anything was deployed.", ""}},
    {Reason::expired,
     {"Nobody approved it in time.", "It can still be done: rollbackctl rollback."}},
    {Reason::migration_failed,
     {"The rollback script of a migration failed; nothing was deployed.",
      "Its row in ops.migration_history has the error. Revert it by hand, then rollbackctl "
      "rollback again."}},
    {Reason::still_unhealthy,
     {"The target serves, and errors went on.",
      "It is something else than this deployment. Nothing more is done by itself."}},
    {Reason::deploy_failed,
     {"The executor said that the deploy failed; the bad version serves still.",
      "Look at its output above, then deploy what should serve, or rollbackctl rollback."}},
    {Reason::outcome_unknown,
     {"Nobody knows whether the deploy was done; it is not tried again by itself.",
      "Look at what serves, and deploy what should."}},
}};

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows.at(i).reason != static_cast<Reason>(i)) {
      return false;
    }
  }
  return true;
}
static_assert(is_in_order());

}  // namespace

ReasonText text_of(Reason reason) { return rows.at(static_cast<std::size_t>(reason)).text; }

}  // namespace rollbackd::terminal
