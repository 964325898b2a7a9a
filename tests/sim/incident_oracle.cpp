#include "tests/sim/incident_oracle.hpp"

#include <algorithm>
#include <variant>

#include "rules/limits.hpp"

namespace rollbackd::tests {
namespace {

using rules::DeploymentStatus;
using rules::Instant;
using rules::Reason;
using rules::Rollback;
using rules::RollbackStatus;
using rules::TriggerType;

// From the decision to the end, whatever is broken meanwhile; a proposal waits half an hour more.
constexpr rules::Duration rollback_max = rules::minutes{30};
constexpr rules::Duration proposal_max = rules::minutes{30};
constexpr std::size_t per_minute_max = 5;
constexpr std::size_t recent_max = 50;

const Rollback* find_in(const SimDatabase& database, const rules::EventId& id) {
  const auto found = database.rollbacks().find(id);
  return found == database.rollbacks().end() ? nullptr : &found->second;
}

bool has_overridden(const Rollback& rollback, Reason reason) {
  return std::find(rollback.overrides.begin(), rollback.overrides.end(), reason) !=
         rollback.overrides.end();
}

}  // namespace

void IncidentOracle::find(const std::string& what, Instant now) {
  if (finding_.empty()) {
    finding_ = "at " + std::to_string(rules::in_seconds(now - noon)) + ": " + what;
  }
}

IncidentOracle::Dispatched& IncidentOracle::dispatched(const rules::EventId& event) {
  for (Dispatched& known : dispatched_) {
    if (known.event == event) {
      return known;
    }
  }
  return dispatched_.emplace_back(Dispatched{event});
}

void IncidentOracle::on_write(const rules::Commit& commit, const rules::ControlRead& looked,
                              bool fresh, Instant now) {
  for (const rules::JournalEntry& entry : commit.entries) {
    const auto* put = std::get_if<rules::PutRollback>(&entry);
    if (put == nullptr) {
      continue;
    }
    if (put->is_new && !put->rollback.is_over()) {
      look_at_beginning(put->rollback, now);
    }
    const Rollback* known = find_in(database_, put->rollback.id);
    if (put->rollback.claimed_at && (known == nullptr || put->rollback.claims > known->claims)) {
      look_at_claim(put->rollback, looked, fresh, now);
    }
  }
}

void IncidentOracle::look_at_beginning(const Rollback& rollback, Instant now) {
  if (const Rollback* active = database_.active_of(rollback.service)) {
    find("a second rollback of " + rollback.service.name + " begins beside " + active->id.text(),
         now);
  }
  if (rollback.type != TriggerType::automatic) {
    return;
  }
  if (is_calm_) {
    find("a rollback although nothing is bad", now);
  }
  look_at_threshold(rollback, now);
  for (const auto& [id, earlier] : database_.rollbacks()) {
    const bool failed =
        earlier.status == RollbackStatus::failed ||
        (earlier.is_over() && earlier.type == TriggerType::automatic && earlier.aborted);
    if (failed && earlier.deployment == rollback.deployment) {
      find("an automatic rollback although an earlier one of the same deployment failed", now);
    }
  }
}

// At the second that the windows were true for. All that was ever logged counts, also what no look
// has told yet: there is never less in memory.
void IncidentOracle::look_at_threshold(const Rollback& rollback, Instant now) {
  const rules::Second t = rollback.evidence.as_of;
  if (rules::second_of(now) - t > rules::limits::windows_lag_max) {
    find("an automatic rollback by windows that are too old", now);
  }
  std::size_t minute = 0;
  std::size_t recent = 0;
  for (const SimEvent& event : database_.events()) {
    const rules::Second second = rules::second_of(event.timestamp);
    if (event.service != rollback.service || second <= t - 300) {
      continue;
    }
    const rules::Deployment* owner = database_.attributed(event);
    if (owner != nullptr && owner->id == rollback.deployment) {
      ++recent;
      minute += second > t - 60 ? 1 : 0;
    }
  }
  if (minute <= per_minute_max && recent <= recent_max) {
    find("an automatic rollback with " + std::to_string(minute) + " events in a minute and " +
             std::to_string(recent) + " in five",
         now);
  }
}

void IncidentOracle::look_at_claim(const Rollback& rollback, const rules::ControlRead& looked,
                                   bool fresh, Instant now) {
  if (looked.pause.on && !has_overridden(rollback, Reason::paused)) {
    find("a claim although the last look at ops.control saw a pause", now);
  }
  const Rollback* known = find_in(database_, rollback.id);
  if (known != nullptr && known->aborted) {
    find("a claim although a person stopped it", now);
  }
  if (!fresh) {
    find("a claim without a look at ops.control", now);
  }
  const Dispatched& before = dispatched(rollback.id);
  if (before.may_run) {
    find("another claim although the last may have been dispatched", now);
  }
}

void IncidentOracle::on_dispatch(const rules::Deploy& deploy, bool certain_no, Instant now) {
  const Rollback* rollback = find_in(database_, deploy.event);
  Dispatched& known = dispatched(deploy.event);
  if (rollback == nullptr || rollback->is_over() || rollback->claimed_at != deploy.claimed_at) {
    find("a dispatch without its committed claim", now);
  } else if (known.may_run || known.claims == rollback->claims) {
    find("a second dispatch", now);
  } else {
    known.claims = rollback->claims;
  }
  if (database_.pause().on && !deploy.through_pause) {
    find("a dispatch through a pause", now);
  }
  if (rollback != nullptr && deploy.through_pause && !has_overridden(*rollback, Reason::paused)) {
    find("nobody set the pause aside", now);
  }
  known.may_run |= !certain_no;
}

// That a person stopped it has to be in the transaction that the answer waits for, or in the table:
// else nobody knows it after a crash.
void IncidentOracle::on_output(const rules::Output& output, Instant now) {
  for (const rules::Answer& answer : output.answers) {
    if (answer.request != abort_request || answer.kind != rules::Answer::Kind::accepted) {
      continue;
    }
    const Rollback* known = find_in(database_, answer.rollback.value().id);
    bool is_written = known != nullptr && known->aborted;
    for (const rules::Commit& commit : output.commits) {
      for (const rules::JournalEntry& entry : commit.entries) {
        const auto* put = std::get_if<rules::PutRollback>(&entry);
        is_written = is_written || (put != nullptr && put->rollback.aborted &&
                                    put->rollback.id == answer.rollback->id);
      }
    }
    if (!is_written) {
      find("an abort is accepted that a crash would forget", now);
    }
  }
}

void IncidentOracle::on_commit(const rules::Commit& commit, Instant now) {
  for (const rules::JournalEntry& entry : commit.entries) {
    const auto* put = std::get_if<rules::PutRollback>(&entry);
    if (put == nullptr || put->is_new || !put->rollback.is_over()) {
      continue;
    }
    const Rollback& rollback = put->rollback;
    const rules::Duration longest =
        rollback_max + (rollback.asked ? proposal_max : rollback_max * 0);
    if (now - rollback.decided_at > longest) {
      find("a rollback that ends too late", now);
    }
    look_at_rows(rollback, now);
  }
}

// How it ended and what the rows say. Later deployments and rollbacks may change them again.
void IncidentOracle::look_at_rows(const Rollback& rollback, Instant now) {
  const auto& rows = database_.deployments();
  const auto bad = rows.find(rollback.deployment);
  const auto replacement = rows.find(rollback.replacement);
  const bool is_back = bad->second.status == DeploymentStatus::rolled_back;
  const auto replaced_is = [&](DeploymentStatus status) {
    return replacement != rows.end() && replacement->second.status == status;
  };
  const bool serves = replaced_is(DeploymentStatus::success);
  const bool came_late = rollback.late_outcome == "succeeded";
  bool fits = false;
  if (rollback.status == RollbackStatus::success) {
    fits = is_back && serves;
  } else if (rollback.ended_by == Reason::still_unhealthy) {
    fits = is_back && serves && !replacement->second.health_check_passed;
  } else if (rollback.ended_by == Reason::superseded && rollback.claimed_at) {
    fits = is_back && (serves || replaced_is(DeploymentStatus::failed));
  } else if (came_late) {
    fits = is_back && serves;
  } else {
    const bool is_marked =
        rollback.step(rules::StepName::mark_rolled_back).status == rules::StepStatus::success;
    fits = is_marked
               ? bad->second.status == rollback.old_status && replaced_is(DeploymentStatus::failed)
               : replacement == rows.end();
  }
  if (!fits) {
    find("a rollback that ends " + std::string{rules::name_of(rollback.status)} +
             " with rows that say something else",
         now);
  }
}

void IncidentOracle::at_the_end(Instant now) {
  for (const auto& [id, rollback] : database_.rollbacks()) {
    if (!rollback.is_over()) {
      find("a rollback that never ends", now);
    } else if (rollback.followed_until && rollback.late_outcome.empty()) {
      find("a run that nobody follows to its end", now);
    } else if (rollback.late_outcome == "succeeded" &&
               database_.deployments().at(rollback.deployment).status !=
                   DeploymentStatus::rolled_back) {
      find("a late success that the rows do not tell", now);
    }
  }
}

}  // namespace rollbackd::tests
