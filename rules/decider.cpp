#include "rules/decider.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "rules/guards.hpp"
#include "rules/heartbeat.hpp"
#include "rules/invariant.hpp"
#include "rules/limits.hpp"
#include "rules/probation.hpp"
#include "rules/proposal.hpp"
#include "rules/response_times_intake.hpp"
#include "rules/story.hpp"

namespace rollbackd::rules {

namespace {

// Nothing: it is no person's request.
const Sender* sender_of(const Input& input) {
  return std::visit(
      [](const auto& known) -> const Sender* {
        if constexpr (requires { known.sender; }) {
          return &known.sender;
        } else {
          return nullptr;
        }
      },
      input);
}

// In the transaction of what was done: a repetition after a crash finds either both or neither.
void keep_request(const Sender& sender, Output& output) {
  if (sender.key.empty() || output.commits.empty()) {
    return;
  }
  std::optional<EventId> event;
  for (const Answer& answer : output.answers) {
    // The event of one that is under way is somebody else's.
    if (answer.rollback && answer.kind != Answer::Kind::under_way) {
      event = answer.rollback->id;
    }
  }
  output.commits.back().entries.push_back(KeepRequest{sender, event});
}

}  // namespace

Decider::Decider(PolicyBook policies) : world_{std::move(policies)} {}

Output Decider::step(Instant now, const Input& input) {
  now_ = now;
  Output output;
  std::visit([&](const auto& known) { on(known, now, output); }, input);
  if (const Sender* sender = sender_of(input)) {
    keep_request(*sender, output);
  }
  return output;
}

void Decider::on(const FeedBatch& batch, Instant now, Output& output) {
  after_intake(take_in(world_, batch), now, output);
  for (const EventGroup& group : batch.events) {
    if (is_heartbeat(group)) {
      output.heartbeat = Heartbeat{group.at, now};
    }
  }
}

void Decider::on(const FeedRebuilt& rebuilt, Instant now, Output& output) {
  after_intake(take_in(world_, rebuilt), now, output);
}

void Decider::on(const WindowsRecounted& recounted, Instant now, Output& output) {
  after_intake(take_in(world_, recounted), now, output);
}

void Decider::on(const AuditCounted& counted, Instant now, Output& output) {
  after_intake(take_in(world_, counted), now, output);
}

void Decider::on(const FeedLost& /*lost*/, Instant /*now*/, Output& /*output*/) {
  world_.complete = false;
}

void Decider::on(const Sampled& samples, Instant now, Output& output) {
  world_.samples = samples;
  if (const Deployment* newest = newest_current(world_, now)) {
    judge_service(Service{newest->service}, now, output);
  }
}

// Nothing is judged here: a response time is looked at with the next second.
void Decider::on(const ResponseTimesRead& read, Instant /*now*/, Output& output) {
  output.response_times = take_in(world_, read);
}

void Decider::on(const ResponseTimesLost& /*lost*/, Instant /*now*/, Output& /*output*/) {
  world_.response_times_complete = false;
}

// Judged by them from the next second on. How long a row of an old table was above its limit says
// nothing about one of the new.
void Decider::on(const PoliciesChanged& changed, Instant /*now*/, Output& /*output*/) {
  for (auto& [service, state] : world_.services) {
    if (world_.book.of(service).triggers != changed.policies.of(service).triggers) {
      state.above_since.clear();
    }
  }
  world_.book = changed.policies;
}

void Decider::after_intake(const Intake& intake, Instant now, Output& output) {
  output.audit = intake.audit;
  world_.response_times.advance(world_.windows.now());
  if (world_.deployments.moves() > recount_asked_) {
    recount_asked_ = world_.deployments.moves();
    output.actions.emplace_back(RecountResponseTimes{recount_asked_});
  }
  output.actions.insert(output.actions.end(), intake.rebuilds.begin(), intake.rebuilds.end());
  for (const DeploymentId& id : intake.deployments) {
    if (const Deployment* deployment = world_.deployments.find(id)) {
      welcome(*deployment, now, output);
      if (deployment->health_check_passed || !is_watched(*deployment)) {
        verified_.erase(id);
      }
    }
  }
  if (intake.second_passed) {
    judge_everybody(now, output);
  } else {
    judge_services(intake.touched, now, output);
  }
  drive_all(now, output);
}

void Decider::welcome(const Deployment& deployment, Instant now, Output& output) {
  if (!world_.journal_known) {
    return;
  }
  auto due = due_snapshot(world_, deployment, now);
  if (!due || !snapshots_asked_.emplace(due->deployment, due->type).second) {
    return;
  }
  if (due->type == SnapshotType::pre_deployment) {
    output.actions.emplace_back(*due);
    return;
  }
  const auto utilisation =
      world_.samples ? std::optional{world_.samples->connection_utilisation} : std::nullopt;
  const auto unhealthy = was_unhealthy_before(world_, deployment);
  if (unhealthy) {
    due->samples.push_back({"previous_unhealthy", *unhealthy});
  }
  std::vector<JournalEntry> entries;
  entries.reserve(3);
  entries.emplace_back(story_of_arrival(deployment));
  const Deployment* before =
      deployment.rollback_from ? nullptr : world_.deployments.rolled_back_before(deployment);
  if (before != nullptr) {
    RomanEvent told = story_of_redeployment(deployment);
    Alert alert{AlertKind::redeployed, propose(world_, deployment, now, last_commit_),
                told.description};
    alert.rollback.reason = told.description;
    entries.emplace_back(std::move(told));
    entries.emplace_back(std::move(alert));
  }
  send(std::move(entries), {*due}, {{}, deployment.id, utilisation, {}, unhealthy}, output);
}

void Decider::take_up_postponed(const Service& service, Instant now, Output& output) {
  std::vector<Postponed> due;
  std::erase_if(postponed_, [&](const Postponed& postponed) {
    if (postponed.service == service) {
      due.push_back(postponed);
    }
    return postponed.service == service;
  });
  for (const Postponed& postponed : due) {
    Output own;  // whose last transaction keeps the request
    std::visit(
        [&](const auto& request) {
          on(request, now, own);
          keep_request(request.sender, own);
        },
        postponed.request);
    std::move(own.commits.begin(), own.commits.end(), std::back_inserter(output.commits));
    std::move(own.actions.begin(), own.actions.end(), std::back_inserter(output.actions));
    std::move(own.answers.begin(), own.answers.end(), std::back_inserter(output.answers));
  }
}

void Decider::send(std::vector<JournalEntry> entries, std::vector<Action> then, Sent sent,
                   Output& output) {
  const CommitId id = ++last_commit_;
  sent_.emplace(id, std::move(sent));
  output.commits.push_back({id, std::move(entries), std::move(then)});
}

}  // namespace rollbackd::rules
