#include "rules/preconditions.hpp"

#include <algorithm>

#include "rules/laws.hpp"
#include "rules/limits.hpp"

namespace rollbackd::rules {
namespace {

Check passed(Reason name, Value measured, Value limit) {
  return {name, Outcome::compliant, std::move(measured), std::move(limit), {}};
}

Check check_that(bool holds, Reason name, Value measured, Value limit, std::string text) {
  Check check = passed(name, std::move(measured), std::move(limit));
  if (!holds) {
    check.outcome = Outcome::violation;
    check.text = std::move(text);
  }
  return check;
}

// Features break without errors, so for a person it is a warning; a trigger that fires is the proof
// that the system is not stable.
Check already_stable(const World& world, const Proposal& proposal) {
  const auto events = recent_errors(world, proposal.deployment.id);
  Check check = passed(Reason::already_stable, static_cast<std::int64_t>(events),
                       static_cast<std::int64_t>(limits::healthy_events));
  if (is_stable(world, proposal.deployment)) {
    check.outcome = proposal.automatic ? Outcome::violation : Outcome::warning;
    check.text =
        "System already stable: " + std::to_string(events) + " errors in the last 5 minutes";
  }
  return check;
}

Check has_target(const World& world, const Deployment& bad) {
  const Deployment* target = world.deployments.target_of(bad);
  return check_that(
      target != nullptr, Reason::no_target,
      target == nullptr ? std::string{"none"} : target->version,
      std::string{"an earlier deployment of the service: success, health_check_passed, "
                  "no replacement, of another version or commit"},
      "No valid rollback target found");
}

Check is_current(const World& world, const Deployment& bad, Instant now) {
  const Deployment* current = world.deployments.at(bad.service, now);
  const bool is = current != nullptr && current->id == bad.id;
  return check_that(is, Reason::superseded,
                    current == nullptr ? std::string{"none"} : current->id.text(), bad.id.text(),
                    "Another deployment is current: " +
                        (current == nullptr ? std::string{"none"}
                                            : current->version + " (" + current->id.text() + ")"));
}

Check safe_values(const World& world, const Deployment& bad) {
  const Deployment* target = world.deployments.target_of(bad);
  std::string unsafe;
  const auto look_at = [&unsafe](std::string_view what, std::string_view value) {
    if (unsafe.empty() && !is_safe_value(value)) {
      unsafe = what;
    }
  };
  look_at("environment", bad.service.environment);
  look_at("service", bad.service.name);
  if (target != nullptr) {
    look_at("version", target->version);
    look_at("git_commit", target->git_commit);
  }
  return check_that(unsafe.empty(), Reason::unsafe_value, unsafe.empty() ? "none" : unsafe,
                    std::string{"no leading '-', no control characters"},
                    "The " + unsafe +
                        " begins with '-' or holds a control character; correct the "
                        "row in ops.deployments");
}

}  // namespace

bool is_safe_value(std::string_view text) {
  return !text.empty() && text.front() != '-' &&
         std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::vector<Check> preconditions(const World& world, const Proposal& proposal, Instant now) {
  const Deployment& bad = proposal.deployment;
  std::vector<Check> checks;
  checks.push_back(already_stable(world, proposal));
  checks.push_back(has_target(world, bad));
  checks.push_back(check_that(!proposal.under_way, Reason::under_way, proposal.under_way, false,
                              "A rollback of this service is under way"));
  checks.push_back(check_that(bad.status != DeploymentStatus::pending, Reason::not_deployed,
                              std::string{name_of(bad.status)}, std::string{"not pending"},
                              "The deployment is pending: it does not serve yet"));
  checks.push_back(is_current(world, bad, now));
  checks.push_back(check_that(!proposal.automatic || !bad.rollback_from,
                              Reason::rollback_of_rollback, bad.rollback_from.has_value(), false,
                              "The deployment is itself the result of a rollback"));
  checks.push_back(safe_values(world, bad));
  return checks;
}

Validation validate(const World& world, const Proposal& proposal, Instant now) {
  const double rate = errors_per_minute(world, proposal.deployment.id, limits::rate_window);
  Validation validation{apply_laws({{}, system_entropy(rate)})};
  for (Check& check : preconditions(world, proposal, now)) {
    validation.checks.push_back(std::move(check));
  }
  return validation;
}

}  // namespace rollbackd::rules
