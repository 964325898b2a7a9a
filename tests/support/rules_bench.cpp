#include "tests/support/rules_bench.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>

namespace rollbackd::tests {

Bench::Bench(rules::Policy policy) : decider{rules::PolicyBook{std::move(policy)}} {
  rules::FeedRebuilt rebuilt;
  rebuilt.as_of = now;
  rebuilt.deployments = {good_row(1, at(-3600)), row(2, at(-600))};
  for (rules::Deployment& d : rebuilt.deployments) {
    d.seen = true;
    d.health_check_passed = true;  // no probation that ends in the middle of a test
  }
  take(rebuilt);
  take(rules::JournalRead{});
  take(rules::ControlRead{});
  forget();
}

rules::Answer Bench::ask(const rules::Input& request) {
  auto answers = step(request).answers;
  confirm_all();
  if (answers.size() != 1) {
    throw std::logic_error{std::to_string(answers.size()) + " answers to one request"};
  }
  return std::move(answers.front());
}

rules::Output Bench::step(const rules::Input& input) {
  rules::Output output = decider.step(now, input);
  on_their_way.insert(on_their_way.end(), output.commits.begin(), output.commits.end());
  actions.insert(actions.end(), output.actions.begin(), output.actions.end());
  explanations.insert(explanations.end(), output.explanations.begin(), output.explanations.end());
  answer(output.actions);
  return output;
}

void Bench::answer(const std::vector<rules::Action>& asked) {
  for (const rules::Action& action : asked) {
    if (const auto* read = std::get_if<rules::ReadControl>(&action); read && answers_control) {
      control.number = read->number;
      step(control);
    } else if (const auto* follow = std::get_if<rules::FollowDeploy>(&action);
               follow && follow->executor != "github") {
      step(rules::DeployEnded{follow->event, rules::DeployOutcome::unknown, "nobody knows"});
    }
  }
}

void Bench::take(const rules::Input& input) {
  step(input);
  confirm_all();
}

void Bench::confirm_all() {
  while (!on_their_way.empty()) {
    const rules::Commit commit = std::move(on_their_way.front());
    on_their_way.pop_front();
    entries.insert(entries.end(), commit.entries.begin(), commit.entries.end());
    actions.insert(actions.end(), commit.then.begin(), commit.then.end());
    step(rules::CommitDone{commit.id, true, {}});
  }
}

void Bench::fail_commit() {
  const rules::CommitId id = on_their_way.front().id;
  on_their_way.clear();
  step(rules::CommitDone{id, false, "simulated"});
}

void Bench::pass(double seconds) {
  const rules::Instant until = now + rules::Duration{static_cast<std::int64_t>(seconds * 1e6)};
  while (now < until) {
    now = std::min(until, rules::instant_of(rules::second_of(now) + 1));
    take(batch());
  }
}

void Bench::errors(std::uint64_t n, const rules::Service& service) {
  logged_.push_back(logged(now, n, service));
  take(batch({}, {logged_.back()}));
}

rules::WindowsRecounted Bench::recounted(const rules::Service& service,
                                         std::vector<rules::EventGroup> events) const {
  const auto& wanted = world().services.at(service).rebuilding;
  return {service, wanted ? wanted->number : 0, look_, std::move(events)};
}

void Bench::recount(const rules::Service& service) {
  std::vector<rules::EventGroup> own;
  std::copy_if(logged_.begin(), logged_.end(), std::back_inserter(own),
               [&](const rules::EventGroup& group) { return group.service == service; });
  take(recounted(service, std::move(own)));
}

rules::FeedBatch Bench::batch(std::vector<rules::Deployment> deployments,
                              std::vector<rules::EventGroup> events) {
  return {now, ++look_, std::move(deployments), std::move(events), false};
}

void Bench::put(const rules::Deployment& deployment) {
  take(batch({deployment}));
  recount(deployment.service);
}

void Bench::sample(double connections, std::optional<double> memory) {
  take(rules::Sampled{connections, static_cast<std::int64_t>(connections), 1, memory});
}

void Bench::feed_back_rows() {
  for (; rows_fed_back_ < entries.size(); ++rows_fed_back_) {
    const rules::JournalEntry entry = entries[rows_fed_back_];
    if (const auto* mark = std::get_if<rules::MarkRolledBack>(&entry)) {
      rules::Deployment bad = *world().deployments.find(mark->deployment);
      bad.status = rules::DeploymentStatus::rolled_back;
      bad.health_check_passed = false;
      rules::Deployment replacement = *world().deployments.find(mark->target);
      replacement.id = mark->replacement;
      replacement.row = 1000 + static_cast<std::int64_t>(rows_fed_back_);
      replacement.status = rules::DeploymentStatus::pending;
      replacement.deployed_at = mark->at;
      replacement.rollback_from = bad.id;
      replacement.health_check_passed = false;
      take(batch({bad, replacement}));
    } else if (const auto* serve = std::get_if<rules::PutInService>(&entry)) {
      rules::Deployment replacement = *world().deployments.find(serve->replacement);
      replacement.status = rules::DeploymentStatus::success;
      replacement.deployed_at = serve->deployed_at;
      take(batch({replacement}));
    } else if (const auto* settled = std::get_if<rules::SettleLate>(&entry)) {
      rules::Deployment bad = *world().deployments.find(settled->deployment);
      bad.status = rules::DeploymentStatus::rolled_back;
      bad.health_check_passed = false;
      rules::Deployment replacement = *world().deployments.find(settled->replacement);
      replacement.status = rules::DeploymentStatus::success;
      replacement.deployed_at = settled->deployed_at;
      take(batch({bad, replacement}));
    } else if (const auto* restore = std::get_if<rules::RestoreDeployment>(&entry)) {
      rules::Deployment bad = *world().deployments.find(restore->deployment);
      bad.status = restore->status;
      bad.health_check_passed = restore->health_check_passed;
      rules::Deployment replacement = *world().deployments.find(restore->replacement);
      replacement.status = rules::DeploymentStatus::failed;
      replacement.deployed_at = now;
      replacement.completed_at = now;
      take(batch({bad, replacement}));
    } else {
      continue;
    }
    for (const rules::Service& service : world().deployments.services()) {
      recount(service);
    }
  }
}

void Bench::forget() {
  entries.clear();
  actions.clear();
  explanations.clear();
  rows_fed_back_ = 0;
}

std::vector<rules::RomanEvent> Bench::all_told(const std::string& event_type) const {
  std::vector<rules::RomanEvent> found = written<rules::RomanEvent>();
  std::erase_if(found, [&](const rules::RomanEvent& e) { return e.event_type != event_type; });
  return found;
}

std::size_t Bench::told(const std::string& event_type) const { return all_told(event_type).size(); }

std::vector<std::string> Bench::stories() const {
  std::vector<std::string> types;
  for (const rules::RomanEvent& event : written<rules::RomanEvent>()) {
    if (event.event_type != "rollback_step") {
      types.push_back(event.event_type);
    }
  }
  return types;
}

std::vector<std::string> Bench::explained() const {
  std::vector<std::string> reasons;
  for (const rules::Explanation& explanation : explanations) {
    reasons.emplace_back(rules::name_of(explanation.reason));
  }
  return reasons;
}

std::string steps_text(const rules::Rollback& rollback) {
  std::string text;
  for (const rules::Step& step : rollback.steps) {
    text += "pisfk"[static_cast<std::size_t>(step.status)];
  }
  return text;
}

std::optional<rules::Rollback> Bench::rollback() const {
  const auto puts = written<rules::PutRollback>();
  return puts.empty() ? std::nullopt : std::optional{puts.back().rollback};
}

}  // namespace rollbackd::tests
