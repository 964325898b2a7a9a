#include "rules/preconditions.hpp"

#include <algorithm>
#include <array>

#include "rules/laws.hpp"
#include "rules/limits.hpp"
#include "rules/migrations.hpp"

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
Check already_stable(const World& world, const Proposal& proposal, Instant now) {
  const auto state = world.services.find(proposal.deployment.service);
  const bool rebuilding = state != world.services.end() && state->second.rebuilding;
  if (!proposal.automatic && (!is_current(world, now) || rebuilding)) {
    return {Reason::already_stable, Outcome::warning, std::string{"unknown"},
            static_cast<std::int64_t>(limits::healthy_events),
            "Not known whether the system is stable: the windows are not complete"};
  }
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

Check not_superseded(const World& world, const Deployment& bad, Instant now) {
  const Deployment* current = world.deployments.at(bad.service, now);
  const bool is = current != nullptr && current->id == bad.id;
  return check_that(is, Reason::superseded,
                    current == nullptr ? std::string{"none"} : current->id.text(), bad.id.text(),
                    "Another deployment is current: " +
                        (current == nullptr ? std::string{"none"}
                                            : current->version + " (" + current->id.text() + ")"));
}

std::string names_of_some(const std::vector<const Migration*>& migrations) {
  constexpr std::size_t named = 5;
  std::string text;
  for (std::size_t i = 0; i < migrations.size() && i < named; ++i) {
    text += (i == 0 ? "" : ", ") + migrations[i]->name;
  }
  const std::size_t more = migrations.size() - std::min(migrations.size(), named);
  return more == 0 ? text : text + " and " + std::to_string(more) + " more";
}

// Old code meets what these migrations made of the database, unless they are reverted first.
Check migrations_allow(const World& world, const Proposal& proposal, const Deployment* target) {
  const bool reverts = proposal.revert_migrations;
  const auto since =
      target == nullptr ? std::vector<const Migration*>{} : migrations_since(world, *target);
  std::vector<const Migration*> hinder = since;
  std::erase_if(hinder, [&](const Migration* migration) {
    return reverts ? migration->has_script : migration->backward_compatible;
  });
  const std::string count = std::to_string(hinder.size());
  std::string text;
  if (target != nullptr && are_migrations_cut(world, *target)) {
    text = "More than " + std::to_string(limits::migrations_max) +
           " migrations are not reverted: those since the target are not all known";
  } else if (reverts && !world.book.of(proposal.deployment.service).may_revert_migrations) {
    text = "Migrations cannot be reverted: set rollback.migration_role in the configuration";
  } else if (reverts && !hinder.empty()) {
    text = count +
           " migrations since the target have no rollback_script: " + names_of_some(hinder) +
           "; add one to ops.migration_history";
  } else if (!hinder.empty()) {
    text = count + " migrations since the target are not marked backward compatible: " +
           names_of_some(hinder) +
           "; set metadata.backward_compatible in ops.migration_history, or ask for them to be "
           "reverted";
  }
  return check_that(text.empty(), Reason::migration, static_cast<std::int64_t>(hinder.size()),
                    std::int64_t{0}, text);
}

Check consistent_database(const World& world, const Service& service) {
  const auto stuck = migrations_stuck(world, service);
  return check_that(stuck.empty(), Reason::inconsistent_database,
                    static_cast<std::int64_t>(stuck.size()), std::int64_t{0},
                    "Migrations failed to revert: " + names_of_some(stuck) +
                        "; finish by hand and set rolled_back_at in ops.migration_history");
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](unsigned char c) { return (c & 0xc0U) != 0x80U; }));
}

Check safe_values(const World& world, const Deployment& bad) {
  const Deployment* target = world.deployments.target_of(bad);
  std::string unsafe;
  std::size_t length = limits::inputs_of_ours_max;
  const auto look_at = [&](std::string_view what, std::string_view value) {
    length += characters(value);
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
  if (unsafe.empty() && length > limits::inputs_max) {
    return check_that(false, Reason::unsafe_value, static_cast<std::int64_t>(length),
                      static_cast<std::int64_t>(limits::inputs_max),
                      "Environment, service, version and git_commit are longer than a workflow's "
                      "inputs may be; correct the row in ops.deployments");
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
  checks.push_back(already_stable(world, proposal, now));
  checks.push_back(has_target(world, bad));
  checks.push_back(check_that(!proposal.under_way, Reason::under_way, proposal.under_way, false,
                              "A rollback of this service is under way"));
  checks.push_back(check_that(bad.status != DeploymentStatus::pending, Reason::not_deployed,
                              std::string{name_of(bad.status)}, std::string{"not pending"},
                              "The deployment is pending: it does not serve yet"));
  checks.push_back(not_superseded(world, bad, now));
  checks.push_back(check_that(!proposal.automatic || !bad.rollback_from,
                              Reason::rollback_of_rollback, bad.rollback_from.has_value(), false,
                              "The deployment is itself the result of a rollback"));
  checks.push_back(migrations_allow(world, proposal, world.deployments.target_of(bad)));
  checks.push_back(consistent_database(world, bad.service));
  checks.push_back(safe_values(world, bad));
  return checks;
}

bool may_be_overridden(Reason reason) {
  constexpr std::array overridable{Reason::paused,      Reason::already_stable,
                                   Reason::superseded,  Reason::rollback_of_rollback,
                                   Reason::migration,   Reason::inconsistent_database,
                                   Reason::unsafe_value};
  return std::find(overridable.begin(), overridable.end(), reason) != overridable.end();
}

void set_aside(Validation& validation, const std::vector<Reason>& overrides,
               const std::string& by) {
  for (Check& check : validation.checks) {
    const bool named = std::find(overrides.begin(), overrides.end(), check.name) != overrides.end();
    if (named && may_be_overridden(check.name) && check.outcome == Outcome::violation) {
      check.outcome = Outcome::warning;
      check.text += " (set aside by " + by + ")";
    }
  }
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
