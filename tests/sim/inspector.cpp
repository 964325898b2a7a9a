#include "tests/sim/inspector.hpp"

#include <algorithm>
#include <cstdio>
#include <variant>

#include "tests/support/random.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::DeploymentStatus;
using rules::Rollback;
using rules::RollbackStatus;
using rules::TriggerType;

// A rollback is over after this long, whatever is broken meanwhile.
constexpr rules::Duration rollback_max = rules::minutes{30};
// Nobody acts more often than this in one second of quiet work.
constexpr std::uint64_t moments_max = 20'000;

std::string text_of(const rules::JournalEntry& entry) {
  struct Text {
    std::string operator()(const rules::PutRollback& put) const {
      std::string text = "rollback " + put.rollback.id.text() + " " +
                         std::string{rules::name_of(put.rollback.status)};
      for (const rules::Step& step : put.rollback.steps) {
        text += " " + std::string{rules::name_of(step.status)};
      }
      return text;
    }
    std::string operator()(const rules::MarkRolledBack& mark) const {
      return "mark " + mark.deployment.text() + " " + mark.replacement.text();
    }
    std::string operator()(const rules::RestoreDeployment& restore) const {
      return "restore " + restore.deployment.text();
    }
    std::string operator()(const rules::PutInService& put) const {
      return "in service " + put.replacement.text();
    }
    std::string operator()(const rules::PassProbation& passed) const {
      return "passed " + passed.deployment.text();
    }
    std::string operator()(const rules::RomanEvent& event) const {
      return event.event_type + " " + event.description;
    }
    std::string operator()(const rules::Alert& alert) const {
      return "alert " + std::string{rules::name_of(alert.kind)};
    }
    std::string operator()(const rules::AmendRollback& amended) const {
      return "amend " + amended.rollback.id.text() + " " + amended.rollback.late_outcome;
    }
    std::string operator()(const rules::SettleLate& settled) const {
      return "settle " + settled.deployment.text() + " " + settled.replacement.text();
    }
    std::string operator()(const rules::OpenBreaker& breaker) const {
      return "open breaker " + breaker.environment;
    }
    std::string operator()(const rules::CloseBreaker& breaker) const {
      return "close breaker " + breaker.environment;
    }
    std::string operator()(const rules::SetPause& set) const {
      return set.pause.on ? "pause" : "resume";
    }
    std::string operator()(const rules::KeepRequest& kept) const {
      return "keep " + kept.sender.key;
    }
  };
  return std::visit(Text{}, entry);
}

}  // namespace

Inspector::Inspector(SimWorld& world, const rules::PolicyBook& policies)
    : world_{world}, policies_{policies}, is_traced_{number_from_environment("TRACE", 0) != 0} {
  world_.witness.on_write = [this](const auto& commit) { on_write(commit); };
  world_.witness.on_commit = [this](const auto& commit) { on_commit(commit); };
  world_.witness.on_entry = [this](const auto& entry) { on_entry(entry); };
  world_.witness.on_answer = [this](const rules::Answer& answer) {
    tell("answer " + std::to_string(static_cast<int>(answer.kind)));
  };
  world_.witness.on_action = [this](const auto& action) { on_action(action); };
  world_.witness.on_explanation = [this](const auto& e) { on_explanation(e); };
  world_.witness.on_fault = [this] { note_fault(); };
  world_.witness.on_moment = [this] { on_moment(); };
  world_.witness.on_control = [this](const auto& control, rules::Instant read_at) {
    const auto asked = control_asked_.find(control.number);
    control_handed_over_ = world_.time();
    control_was_fresh_ = asked != control_asked_.end() && asked->second <= read_at;
  };
  world_.witness.on_audit = [this](const rules::AuditFinding& found) {
    if (found.drift != 0 || found.removed != 0 || found.foreign_rows != 0) {
      find("an audit found " + std::to_string(found.drift) + " drifted and " +
           std::to_string(found.removed) + " removed rows");
    }
  };
}

void Inspector::note_fault() {
  ++faults_;
  last_fault_ = world_.time();
}

void Inspector::find(const std::string& what) {
  const double seconds = static_cast<double>(world_.time().time_since_epoch().count()) / 1e6;
  findings_.push_back("at " + std::to_string(seconds) + ": " + what);
}

void Inspector::tell(const std::string& line) {
  const auto add = [this](std::uint64_t byte) { story_ = (story_ ^ byte) * 1099511628211ULL; };
  add(static_cast<std::uint64_t>(world_.time().time_since_epoch().count()));
  for (const char c : line) {
    add(static_cast<unsigned char>(c));
  }
  if (is_traced_) {
    std::printf("%.6f %s\n", rules::in_seconds(world_.time().time_since_epoch()), line.c_str());
  }
}

std::string Inspector::name_of_row(const rules::DeploymentId& id) const {
  const auto row = world_.deployments().find(id);
  return row == world_.deployments().end() ? id.text()
                                           : row->second.service.name + " " + row->second.version +
                                                 " (row " + std::to_string(row->second.row) + ")";
}

void Inspector::on_write(const rules::Commit& commit) {
  if (!world_.is_leading()) {
    find("a transaction is handed over without leadership");
  }
  for (const rules::JournalEntry& entry : commit.entries) {
    const auto* put = std::get_if<rules::PutRollback>(&entry);
    const bool begins = put != nullptr && put->is_new && !put->rollback.is_over();
    // The journal's constraint would refuse it, but nobody should try without need.
    if (begins && world_.time() - last_fault_ > rules::seconds{10} &&
        world_.database().active_of(put->rollback.service) != nullptr) {
      find("a second rollback is begun of " + name_of_row(put->rollback.deployment));
    }
  }
  for (const rules::JournalEntry& entry : commit.entries) {
    if (const auto* put = std::get_if<rules::PutRollback>(&entry)) {
      look_at_claim(put->rollback);
    }
  }
  if (world_.has_feed()) {
    return;
  }
  for (const rules::JournalEntry& entry : commit.entries) {
    const auto* put = std::get_if<rules::PutRollback>(&entry);
    const auto* event = std::get_if<rules::RomanEvent>(&entry);
    const auto known =
        put == nullptr ? world_.rollbacks().end() : world_.rollbacks().find(put->rollback.id);
    const bool decides = put != nullptr && put->is_new && !put->rollback.evidence.trigger.empty();
    const bool claims =
        known != world_.rollbacks().end() && !known->second.claimed_at && put->rollback.claimed_at;
    if (decides || claims || std::holds_alternative<rules::PassProbation>(entry) ||
        std::holds_alternative<rules::MarkRolledBack>(entry) ||
        (event != nullptr && event->event_type == "rollback_held")) {
      find("judged across a gap: " + text_of(entry));
    }
  }
}

void Inspector::on_commit(const rules::Commit& commit) {
  for (const rules::JournalEntry& entry : commit.entries) {
    if (const auto* put = std::get_if<rules::PutRollback>(&entry)) {
      if (!world_.rollbacks().contains(put->rollback.id)) {
        look_at_decision(put->rollback);
      }
    } else if (const auto* mark = std::get_if<rules::MarkRolledBack>(&entry)) {
      look_at_mark(*mark);
    }
  }
}

// A claim follows a look at what can forbid to act, taken after it was asked for, in one moment.
void Inspector::look_at_claim(const Rollback& rollback) {
  int& claims = watched_[rollback.id].claims;
  const auto known = world_.rollbacks().find(rollback.id);
  if (known != world_.rollbacks().end()) {
    claims = std::max(claims, known->second.claims);
  }
  if (!rollback.claimed_at || rollback.claims <= claims) {
    return;
  }
  claims = rollback.claims;
  look_at_guards(rollback);
  if (control_handed_over_ != world_.time() || !control_was_fresh_) {
    find("a claim of " + name_of_row(rollback.deployment) + " without a look at ops.control");
  }
}

void Inspector::look_at_decision(const Rollback& rollback) {
  services_.insert(rollback.service);
  if (rollback.is_over()) {
    return;
  }
  open_.insert(rollback.id);
  if (world_.database().active_of(rollback.service) != nullptr) {
    find("a second active rollback of " + name_of_row(rollback.deployment));
  }
  if (rollback.type != TriggerType::automatic) {
    return;
  }
  const rules::Policy& policy = policies_.of(rollback.service);
  if (policy.mode == rules::Mode::shadow) {
    find("a rollback in the shadow, of " + name_of_row(rollback.deployment));
  }
  const Deployment& bad = world_.deployments().at(rollback.deployment);
  const bool asks =
      policy.mode == rules::Mode::ask || rollback.decided_at - *bad.deployed_at > policy.max_age;
  if (asks != (rollback.status == RollbackStatus::pending)) {
    find("nobody is asked about " + name_of_row(bad.id) + ", or somebody without need");
  }
  if (bad.rollback_from) {
    find("an automatic rollback of the replacement " + name_of_row(bad.id));
  }
  const auto failed = last_failed(rollback.service);
  if (failed) {
    const Deployment& before = world_.deployments().at(failed->deployment);
    if (std::pair{bad.deployed_at, bad.row} <= std::pair{before.deployed_at, before.row}) {
      find("an automatic rollback of " + name_of_row(bad.id) + " after a failed one of " +
           name_of_row(before.id));
    }
  }
}

std::optional<Rollback> Inspector::last_failed(const rules::Service& service) const {
  std::optional<Rollback> last;
  for (const auto& [id, r] : world_.rollbacks()) {
    const bool latches = r.status == RollbackStatus::failed ||
                         (r.type == TriggerType::automatic && r.is_over() && r.aborted);
    if (r.service == service && latches && (!last || *last->completed_at < *r.completed_at)) {
      last = r;
    }
  }
  return last;
}

void Inspector::look_at_mark(const rules::MarkRolledBack& mark) {
  const Deployment& bad = world_.deployments().at(mark.deployment);
  for (const rules::EventId& id : open_) {
    if (world_.rollbacks().at(id).deployment == mark.deployment) {
      watched_[id].marked = true;
      watched_[id].old_status = bad.status;
      watched_[id].old_health_check_passed = bad.health_check_passed;
    }
  }
}

void Inspector::on_entry(const rules::JournalEntry& entry) {
  tell(text_of(entry));
  if (const auto* alert = std::get_if<rules::Alert>(&entry)) {
    Watched& watched = watched_[alert->rollback.id];
    using enum rules::AlertKind;
    const bool ends = alert->kind == completed || alert->kind == failed || alert->kind == aborted ||
                      alert->kind == rejected;
    watched.initiated += alert->kind == initiated ? 1 : 0;
    watched.proposed += alert->kind == proposed ? 1 : 0;
    watched.ended += ends ? 1 : 0;
  } else if (const auto* settled = std::get_if<rules::SettleLate>(&entry)) {
    look_at_settling(*settled);
  }
}

void Inspector::on_action(const rules::Action& action) {
  tell("action " + std::to_string(action.index()));
  if (const auto* deploy = std::get_if<rules::Deploy>(&action)) {
    look_at_dispatch(*deploy);
  } else if (const auto* asked = std::get_if<rules::ReadControl>(&action)) {
    control_asked_[asked->number] = world_.time();
  }
}

void Inspector::look_at_dispatch(const rules::Deploy& deploy) {
  const auto known = world_.rollbacks().find(deploy.event);
  if (known == world_.rollbacks().end() || !known->second.claimed_at) {
    find("a deploy of " + deploy.version + " whose claim is not in the journal");
    return;
  }
  // The runs so far are those of the dispatches before this one.
  const std::vector<SimRun>& before = world_.runs_of(deploy.event);
  if (static_cast<std::size_t>(++watched_[deploy.event].dispatches) > before.size() + 1 ||
      std::any_of(before.begin(), before.end(), [&](const SimRun& run) {
        return !run.certain_no || run.deploy.claimed_at == deploy.claimed_at;
      })) {
    find("a second deploy of one rollback, to " + deploy.version);
  }
  const Rollback& r = known->second;
  if (r.claimed_at != deploy.claimed_at) {
    find("a deploy of " + deploy.version + " of another claim than the journal's");
  }
  if (r.service != deploy.service || r.target->version != deploy.version ||
      r.target->git_commit != deploy.git_commit || r.replacement != deploy.replacement) {
    find("a deploy that is not what its row says");
  }
  if (!world_.is_leading()) {
    find("a deploy without leadership");
  }
}

void Inspector::on_explanation(const rules::Explanation& explanation) {
  tell("explained " + std::string{rules::name_of(explanation.reason)} + " " + explanation.trigger +
       " of " + name_of_row(explanation.deployment));
  if (!world_.has_feed()) {
    find("judged across a gap: " + std::string{rules::name_of(explanation.reason)});
  }
  std::vector<Said>& said = said_[explanation.service];
  if (!said.empty() && said.back().at == world_.time() &&
      said.back().deployment == explanation.deployment) {
    said.back().reasons.insert(explanation.reason);
    return;
  }
  look_at_sayings(explanation.service);
  said.push_back({explanation.deployment, {explanation.reason}, world_.time(), faults_});
}

// Whether somebody deployed this service since: what is current may have come and gone.
bool Inspector::deployed_between(const rules::Service& service, rules::Instant since) const {
  return std::any_of(world_.deployments().begin(), world_.deployments().end(),
                     [&](const auto& known) {
                       const Deployment& d = known.second;
                       return d.service == service && d.deployed_at >= since - rules::seconds{5};
                     });
}

// The last thing said of a service must not be the one before it once more.
void Inspector::look_at_sayings(const rules::Service& service) {
  std::vector<Said>& said = said_[service];
  // A row of a shorter window may be silent, and speak again, sooner.
  const bool plain = policies_.of(service).triggers == rules::default_triggers();
  if (plain && said.size() == 2 && said[0].deployment == said[1].deployment &&
      said[0].reasons == said[1].reasons && said[0].faults == said[1].faults &&
      said[1].at - said[0].at < rules::seconds{60} && !deployed_between(service, said[0].at) &&
      !said[1].reasons.contains(rules::Reason::rollback)) {
    find("told twice within a minute: " + std::string{rules::name_of(*said[1].reasons.begin())} +
         " of " + name_of_row(said[1].deployment));
  }
  if (said.size() == 2) {
    said.erase(said.begin());
  }
}

void Inspector::on_moment() {
  const rules::Second second = rules::second_of(world_.time());
  if (second != second_) {
    second_ = second;
    moments_ = 0;
  }
  if (++moments_ == moments_max) {
    find("it spins: thousands of moments in one second");
  }
  look_at_open_rollbacks();
  if (second % count_every == 0 && world_.is_quiet()) {
    look_at_counts();
  }
}

void Inspector::look_at_open_rollbacks() {
  for (auto it = open_.begin(); it != open_.end();) {
    const Rollback& r = world_.rollbacks().at(*it);
    if (r.is_over()) {
      look_at_end_of(r);
      it = open_.erase(it);
      continue;
    }
    const rules::Duration waiting =
        r.asked ? policies_.of(r.service).ask_expires : rules::Duration{0};
    if (world_.time() - r.decided_at > rollback_max + waiting) {
      find("the rollback of " + name_of_row(r.deployment) + " does not end");
      it = open_.erase(it);
      continue;
    }
    ++it;
  }
}

}  // namespace rollbackd::tests
